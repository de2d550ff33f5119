"""(f) The memory of a sidecar that has nothing to do, and what half a million changes of its tenants leave of it."""

import tempfile
from pathlib import Path

from bench.parts import Memory, Result, Row, child, delivered, memory, new_ledger, settled, sidecar_settings
from bench.stream import BASE_VERSION
from sidecar.demo.apiserver import kubeconfig

_TENANTS = 2_000  # as many as the stream of (a) has: a cluster, before and after

_PATIENCE = 600.0  # seconds until the stream must have been delivered


async def measure(server: str, changes: int) -> Result:
    """Once: what a process holds is the same in every run, to a percent or two."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        idle, begun, after = await _measured(server, changes, Path(name))
    growth, since = after.now / idle.now - 1, after.now / begun.now - 1
    rows = [
        Row("f", f"memory, idle, with {_TENANTS:,} tenants", f"{idle.now:.0f} MiB", "", "< 100 MiB", idle.now < 100),
        Row("f", f"… after {changes:,} changes", f"{after.now:.0f} MiB", f"{growth:+.0%}", "< +10 %", growth < 0.1),
        Row("f", f"… of which since the first {changes // 10:,}", "", f"{since:+.0%}"),
        Row("f", "… at its peak meanwhile", f"{after.peak:.0f} MiB"),
    ]
    return Result(rows, {"idle": vars(idle), "begun": vars(begun), "after": vars(after)})


async def _measured(server: str, changes: int, folder: Path) -> tuple[Memory, Memory, Memory]:
    """With the first list delivered, after a tenth of the changes (in the middle of the rest), and after the last."""
    async with (
        new_ledger(server) as database,
        child("bench.scripted_server", str(changes), str(_TENANTS), log=folder / "server.log") as script,
    ):
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(await script.line()))
        settings = sidecar_settings(database, config, folder)
        async with child("sidecar", log=folder / "sidecar.log", **settings) as sidecar:
            if (said := [await script.line(), await script.line()]) != ["listing", "watching"]:
                raise RuntimeError(f"the scripted server said {said}")
            await delivered(database, BASE_VERSION, _PATIENCE)
            await settled(sidecar.process.pid)
            idle = memory(sidecar.process.pid)
            script.tell()
            await delivered(database, BASE_VERSION + changes // 10, _PATIENCE)
            begun = memory(sidecar.process.pid)
            await delivered(database, BASE_VERSION + changes, _PATIENCE)
            await settled(sidecar.process.pid)
            after = memory(sidecar.process.pid)
            await sidecar.end()
    return idle, begun, after
