"""(a) What a change costs on its whole way, when they come as fast as they can be taken."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.parts import Child, Result, Row, backend_cpu, child, delivered, median, new_ledger, sidecar_settings
from bench.stream import BASE_VERSION
from sidecar.demo.apiserver import kubeconfig

_POLL = 0.05  # seconds between two looks at the CPU used
_IDLE = 0.002  # CPU seconds between two such looks: answering the look is one; a batch of facts takes ten times that
_PATIENCE = 300.0  # seconds until a round has failed

_KINDS = ("sidecar", "kubernetes_asyncio", "bare")


@dataclass(frozen=True)
class _Cost:
    """Microseconds of CPU a change, of the reader and of its Postgres backend; and changes a second."""

    reader: float
    postgres: float
    rate: float


async def measure(server: str, changes: int, rounds: int) -> Result:
    """`rounds` times each of the three readers in turn, on the same stream."""
    costs: dict[str, list[_Cost]] = {kind: [] for kind in _KINDS}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with child("bench.scripted_server", str(changes), log=folder / "server.log") as script:
            url = await script.line()
            for _ in range(rounds):
                for kind in _KINDS:
                    costs[kind].append(await _round(kind, url, script, changes, server, folder))
    return _result(costs)


async def _round(kind: str, url: str, script: Child, changes: int, server: str, folder: Path) -> _Cost:
    if kind != "sidecar":
        async with child("bench.readers", kind, url, str(changes), log=folder / f"{kind}.log") as reader:
            started, before = await _begun(script, reader)
            used = float(await reader.line()) - before  # it says so itself, after the last line
        return _Cost(used / changes * 1e6, 0.0, changes / (time.monotonic() - started))
    async with new_ledger(server) as database:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            config = Path(name) / "kubeconfig"
            config.write_text(kubeconfig(url))
            settings = sidecar_settings(database, config, Path(name))
            log = folder / "sidecar.log"
            async with child("bench.readers", kind, url, str(changes), log=log, **settings) as reader:
                started, before = await _begun(script, reader)
                await delivered(database, BASE_VERSION + changes, _PATIENCE)
                postgres = await backend_cpu(database)
                rate = changes / (time.monotonic() - started)
                used = await _settled(reader) - before
                await reader.end()
    return _Cost(used / changes * 1e6, postgres / changes * 1e6, rate)


async def _begun(script: Child, reader: Child) -> tuple[float, float]:
    """Waits for the reader's watch, then lets the stream begin: when that was, and its CPU seconds until then."""
    watching, ended = asyncio.create_task(script.line()), asyncio.create_task(reader.process.wait())
    await asyncio.wait((watching, ended), return_when=asyncio.FIRST_COMPLETED)
    if ended.done():
        watching.cancel()
        raise await reader.failed()
    ended.cancel()
    if (said := await watching) != "watching":
        raise RuntimeError(f"the scripted server said {said}")
    before = await _settled(reader)  # the LIST beside the stream has been answered, too
    script.tell()
    return time.monotonic(), before


async def _settled(reader: Child) -> float:
    """Its CPU seconds, once it does nothing any more: the last facts are confirmed."""
    used, before = await reader.cpu(), -1.0
    while used - before > _IDLE:
        await asyncio.sleep(_POLL)
        used, before = await reader.cpu(), used
    return used


def _result(costs: dict[str, list[_Cost]]) -> Result:
    used = {kind: median([cost.reader for cost in costs[kind]]) for kind in _KINDS}
    ratio = {kind: used["sidecar"] / used[kind] for kind in _KINDS}
    postgres = median([cost.postgres for cost in costs["sidecar"]])
    rate = median([cost.rate for cost in costs["sidecar"]])
    rows = [
        Row("a", "CPU a change, whole path", f"{used['sidecar']:.1f} µs", "", "< 60 µs", used["sidecar"] < 60),
        Row(
            "a",
            "… against kubernetes_asyncio's Watch, decoding only",
            f"{used['kubernetes_asyncio']:.1f} µs",
            f"{ratio['kubernetes_asyncio']:.2f} x",
            "< 1.5 x",
            ratio["kubernetes_asyncio"] < 1.5,
        ),
        Row("a", "… against aiohttp + msgspec, decoding only", f"{used['bare']:.1f} µs", f"{ratio['bare']:.2f} x"),
        Row("a", "CPU a change in Postgres, beside it", f"{postgres:.1f} µs"),
        Row("a", "changes a second, to the row in Postgres", f"{rate:,.0f}"),
    ]
    return Result(rows, {kind: [vars(cost) for cost in costs[kind]] for kind in _KINDS})
