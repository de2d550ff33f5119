"""`make bench`: what a change costs, and how that compares with the least that the same work can cost.

    python -m bench [a] [b] [c] [d] [e] [f] [g] [--changes N] [--tenants N] [--rounds N] [--real]

Each part compares with a bare loop that does only the unavoidable part, in the same run, taking turns, because
absolute numbers depend on the machine and its neighbours, and ratios hardly do. It prints a table and writes it
with every round's numbers to `bench/results/`.

(a) CPU per change of the whole path (watch → spool → Postgres) at saturation: a scripted API server sends a
    pre-made stream as fast as it is read. Compared with `kubernetes_asyncio.watch.Watch` merely decoding the
    stream, and with aiohttp + msgspec doing so. Counted is the CPU (user and system) of the reader's process
    from the moment its stream is open to its end; Postgres' own is a column of its own.
(b) Spool appends against bare sqlite3 with the same settings, on the same disk.
(c) Facts a second that leave a filled spool for Postgres and are confirmed, against bare asyncpg that writes the
    very same rows by UNNEST into the same tables, and nothing else.
(d) Time from the API server's answer to a patch until the event's row is visible in Postgres, at 200 changes a
    second, as many stretches of 10 s as there are rounds. The stand-in API server, or with `--real` a
    kube-apiserver (needs KUBEBUILDER_ASSETS); it, the client, the sidecar and Postgres share the machine.
(e) The first list of 100,000 tenants, each with two packages: time from the first request until all of it is in
    Postgres, and the sidecar's memory at its peak (/proc, VmHWM).
(f) The memory (VmRSS) of a whole sidecar that watches an API server in which nothing happens, and what it is when
    500,000 changes of 2,000 tenants have been delivered and it has nothing to do again.
(g) What the webhook adds to a PATCH on a real API server (needs KUBEBUILDER_ASSETS), beside what the least aiohttp
    handler adds, which reads the review's JSON and allows it: in a process of its own, over TLS too, registered for
    one tenant each, so that patches of tenants about which nobody, the bare one, or the sidecar is asked take turns. A
    patch is much slower and less even than a webhook; so each turn calls both webhooks directly too, which shows their
    p99 better. The same while 60 PATCHes of one object at once make some 1,400 calls: what is added to each of them,
    and to a PATCH of another object meanwhile; bursts about which nobody, the bare one, or the sidecar is asked take
    turns too. The same while each statement of the spool hangs for half a second, in SQLite's thread, which stands
    for a disk that stalls; and while batches of 400 audit events come without a pause. Between them the sidecar comes
    to rest, so that none has the remains of another.

The databases are new ones on the embedded Postgres (fsync on), or on the server of DATABASE_URL.
"""
