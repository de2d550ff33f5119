-- All of them, also those that wait for nobody.
SELECT kind, count(*) AS count FROM ledger.anomalies GROUP BY kind
