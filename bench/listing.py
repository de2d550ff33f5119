"""(e) The first list of a large cluster: how long until all of it is in Postgres, and the memory that it takes."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.parts import Result, Row, backend_cpu, child, cpu, delivered, median, memory, new_ledger, sidecar_settings
from bench.stream import BASE_VERSION
from sidecar.demo.apiserver import kubeconfig

_PATIENCE = 600.0  # seconds until a round has failed


@dataclass(frozen=True)
class _Cost:
    """Seconds until all is delivered; CPU seconds of the sidecar and of its Postgres backend; MiB at the peak."""

    seconds: float
    sidecar_cpu: float
    postgres_cpu: float
    peak: float


async def measure(server: str, tenants: int, rounds: int) -> Result:
    """`rounds` times a new sidecar with an empty spool and an empty database."""
    costs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            costs.append(await _round(server, tenants, Path(name)))
    took, peak = median([cost.seconds for cost in costs]), median([cost.peak for cost in costs])
    own, postgres = median([cost.sidecar_cpu for cost in costs]), median([cost.postgres_cpu for cost in costs])
    first = f"first list of {tenants:,} tenants, to the rows in Postgres"
    rows = [
        Row("e", first, f"{took:.1f} s", "", "< 20 s", took < 20),
        Row("e", "… CPU in the sidecar, and in Postgres", f"{own:.1f} s, {postgres:.1f} s"),
        Row("e", "… the sidecar's memory at its peak", f"{peak:.0f} MiB", "", "< 300 MiB", peak < 300),
    ]
    return Result(rows, {"rounds": [vars(cost) for cost in costs]})


async def _round(server: str, tenants: int, folder: Path) -> _Cost:
    """Counted from the list's first request on."""
    async with (
        new_ledger(server) as database,
        child("bench.scripted_server", "0", str(tenants), log=folder / "server.log") as script,
    ):
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(await script.line()))
        settings = sidecar_settings(database, config, folder)
        async with child("sidecar", log=folder / "sidecar.log", **settings) as sidecar:
            if (said := await script.line()) != "listing":
                raise RuntimeError(f"the scripted server said {said}")
            began, before = time.monotonic(), cpu(sidecar.process.pid)
            await delivered(database, BASE_VERSION, _PATIENCE)
            took, used = time.monotonic() - began, cpu(sidecar.process.pid) - before
            postgres = await backend_cpu(database)
            peak = memory(sidecar.process.pid).peak
            await sidecar.end()
    return _Cost(took, used, postgres, peak)
