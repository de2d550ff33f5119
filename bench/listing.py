"""(e) The first list of a large cluster: how long until all of it is in Postgres, and the memory that it takes."""

import tempfile
import time
from pathlib import Path

from bench.parts import Result, Row, child, delivered, median, memory, new_ledger, sidecar_settings
from bench.stream import BASE_VERSION
from sidecar.demo.apiserver import kubeconfig

_PATIENCE = 600.0  # seconds until a round has failed


async def measure(server: str, tenants: int, rounds: int) -> Result:
    """`rounds` times a new sidecar with an empty spool and an empty database."""
    seconds, peaks = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            took, peak = await _round(server, tenants, Path(name))
        seconds.append(took)
        peaks.append(peak)
    took, peak = median(seconds), median(peaks)
    rows = [
        Row(
            "e", f"first list of {tenants:,} tenants, to the rows in Postgres", f"{took:.1f} s", "", "< 20 s", took < 20
        ),
        Row("e", "… the sidecar's memory at its peak", f"{peak:.0f} MiB", "", "< 300 MiB", peak < 300),
    ]
    return Result(rows, {"seconds": seconds, "peak_mib": peaks})


async def _round(server: str, tenants: int, folder: Path) -> tuple[float, float]:
    """Seconds from the list's first request until all is delivered, and MiB."""
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
            began = time.monotonic()
            await delivered(database, BASE_VERSION, _PATIENCE)
            took = time.monotonic() - began
            peak = memory(sidecar.process.pid).peak
            await sidecar.end()
    return took, peak
