"""Stand-ins for a cluster and a database, for the demo and the tests. Nothing of the product imports this."""
