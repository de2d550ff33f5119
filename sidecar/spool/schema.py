"""The spool's tables, and the few SQL statements that use them.

Every operation is one statement in autocommit mode, so it is atomic by itself: no other task's statement
can come into the middle of it, and a cancelled caller cannot leave a transaction open. For a write that is
made possible by the view `intake`: one INSERT of many rows into it, and a trigger for each kind of row does
what the row asks for. (Measured against BEGIN, executemany, COMMIT through aiosqlite, three hops between
threads instead of one: 255 instead of 355 microseconds for a single fact, the same for 500 at once.)

Only what SQLite 3.34 has is used (RHEL 9's, the oldest with a supported Python 3.11).
"""

MIGRATIONS = (
    """
    -- What we owe, in the order it came. AUTOINCREMENT: an id that was confirmed is never given out again.
    CREATE TABLE facts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        appended_at REAL NOT NULL,  -- Unix seconds
        body BLOB NOT NULL
    );

    -- What Postgres, as it is now, will never take: kept until a person has mended the cause.
    CREATE TABLE set_aside (
        id INTEGER PRIMARY KEY,  -- the id it had in facts
        appended_at REAL NOT NULL,
        set_aside_at REAL NOT NULL,
        reason TEXT NOT NULL,
        body BLOB NOT NULL
    );

    -- What a start needs: each tenant as last known, and how far the stream was read.
    CREATE TABLE tenants (uid TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);

    CREATE VIEW intake AS
        SELECT NULL AS op, NULL AS key, NULL AS at, NULL AS detail, NULL AS body WHERE 0;

    CREATE TRIGGER intake_fact INSTEAD OF INSERT ON intake WHEN NEW.op = 'fact' BEGIN
        INSERT INTO facts (appended_at, body) VALUES (NEW.at, NEW.body);
    END;
    CREATE TRIGGER intake_tenant INSTEAD OF INSERT ON intake WHEN NEW.op = 'tenant' BEGIN
        INSERT INTO tenants (uid, body) VALUES (NEW.key, NEW.body)
            ON CONFLICT (uid) DO UPDATE SET body = excluded.body;
    END;
    CREATE TRIGGER intake_forget INSTEAD OF INSERT ON intake WHEN NEW.op = 'forget' BEGIN
        DELETE FROM tenants WHERE uid = NEW.key;
    END;
    CREATE TRIGGER intake_position INSTEAD OF INSERT ON intake WHEN NEW.op = 'position' BEGIN
        INSERT INTO position (one, body) VALUES (1, NEW.body)
            ON CONFLICT (one) DO UPDATE SET body = excluded.body;
    END;
    CREATE TRIGGER intake_confirm INSTEAD OF INSERT ON intake WHEN NEW.op = 'confirm' BEGIN
        DELETE FROM facts WHERE id BETWEEN NEW.key AND NEW.detail;  -- a run of ids, all of them confirmed
    END;
    CREATE TRIGGER intake_set_aside INSTEAD OF INSERT ON intake WHEN NEW.op = 'set_aside' BEGIN
        INSERT INTO set_aside (id, appended_at, set_aside_at, reason, body)
            SELECT id, appended_at, NEW.at, NEW.detail, body FROM facts WHERE id = NEW.key;
        INSERT INTO facts (appended_at, body) SELECT NEW.at, NEW.body FROM facts WHERE id = NEW.key;
        DELETE FROM facts WHERE id = NEW.key;
    END;
    """,
    """
    CREATE TRIGGER set_aside_no_more AFTER DELETE ON set_aside BEGIN
        INSERT INTO facts (appended_at, body) VALUES (OLD.appended_at, OLD.body);
    END;
    """,
)
"""Applied in order; `PRAGMA user_version` counts how many a file has seen. Never change one: add the next."""

WRITE = """
    INSERT INTO intake (op, key, detail, at, body)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), :at,
           substr(:bodies, json_extract(value, '$[3]'), json_extract(value, '$[4]'))
    FROM json_each(:rows)
"""
"""`rows`: a JSON array of [op, key, detail, start, length]; `bodies`: all bodies joined, counted from 1;
`at`: Unix seconds. JSON cannot hold bytes, and one joined blob is one parameter."""

TAKE = """
    SELECT id, body FROM facts WHERE id <= CASE
        WHEN (SELECT sum(length(body)) FROM (SELECT body FROM facts ORDER BY id LIMIT :most)) <= :max_bytes
        THEN (SELECT max(id) FROM facts)
        ELSE (SELECT max(id) FROM (
            SELECT id, size, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS total
            FROM (SELECT id, length(body) AS size FROM facts ORDER BY id LIMIT :most)
        ) WHERE total <= :max_bytes OR total = size)
    END ORDER BY id LIMIT :most
"""
"""The oldest facts, at most `most` of them and `max_bytes` together, but always one. The running total is only
computed for those that are too large together; the plain sum costs a third of it."""

OWE_AGAIN = """
    DELETE FROM set_aside WHERE id IN (
        SELECT id FROM (SELECT id, size, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS total
                        FROM (SELECT id, length(body) AS size FROM set_aside))
        WHERE total <= :max_bytes OR total = size)
"""
"""What was set aside joins the end of the queue, by the table's trigger: the oldest, `max_bytes` of them, but one at
least."""

KEPT = "SELECT NULL, body FROM position UNION ALL SELECT uid, body FROM tenants"

COUNTS = "SELECT (SELECT count(*) FROM facts), (SELECT count(*) FROM set_aside)"

DEPTH = """
    SELECT page_count - freelist_count, page_size, (SELECT appended_at FROM facts ORDER BY id LIMIT 1)
    FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()
"""
"""Pages in use, bytes a page, and since when the oldest fact waits, without reading the facts."""
