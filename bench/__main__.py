"""The command: `python -m bench`."""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from bench import admission, flushing, footprint, latency, listing, saturation, spooling
from bench.parts import Result, Row, postgres_server
from sidecar import logs

_RESULTS = Path(__file__).parent / "results"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What a change costs, against bare loops.")
    parser.add_argument("parts", nargs="*", default=[*"abcdefg"], help="a, b, c, d, e, f, g (default: all)")
    parser.add_argument(
        "--changes", type=int, default=50_000, help="of a stream (a); half of it in (c), ten times in (f)"
    )
    parser.add_argument("--tenants", type=int, default=100_000, help="of a list (e)")
    parser.add_argument("--rounds", type=int, default=5, help="each compares all, in turn; the median counts")
    parser.add_argument("--real", action="store_true", help="(d) against kube-apiserver from KUBEBUILDER_ASSETS")
    return parser.parse_args()


async def _measure(server: str, arguments: argparse.Namespace) -> dict[str, Result]:
    parts: dict[str, Callable[[], Awaitable[Result]]] = {
        "a": lambda: saturation.measure(server, arguments.changes, arguments.rounds),
        "b": lambda: spooling.measure(arguments.rounds),
        "c": lambda: flushing.measure(server, arguments.changes // 2, arguments.rounds),
        "d": lambda: latency.measure(server, arguments.rounds, real=arguments.real),
        "e": lambda: listing.measure(server, arguments.tenants, arguments.rounds),
        "f": lambda: footprint.measure(server, arguments.changes * 10),
        "g": lambda: admission.measure(server, arguments.rounds),
    }
    results = {}
    for part in sorted(set(arguments.parts)):
        print(f"measuring ({part}) …", file=sys.stderr)
        results[part] = await parts[part]()
    return results


async def _machine(server: str) -> str:
    connection = await asyncpg.connect(server)
    try:
        postgres = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}, "
        f"PostgreSQL {postgres}, load before {os.getloadavg()[0]:.1f}"
    )


def _table(machine: str, rows: list[Row]) -> str:
    lines = ["| | measured | value | ratio | aim | holds |", "|---|---|---:|---:|---|---|"]
    for row in rows:
        holds = {None: "", True: "yes", False: "**no**"}[row.holds]
        lines.append(f"| {row.part} | {row.what} | {row.value} | {row.compared} | {row.aim} | {holds} |")
    return "\n".join([*lines, "", machine])


def _main() -> int:
    arguments = _arguments()
    logs.configure("json", "warning")
    with postgres_server() as server:
        machine = asyncio.run(_machine(server))
        results = asyncio.run(_measure(server, arguments))
    rows = [row for result in results.values() for row in result.rows]
    print(_table(machine, rows))
    at = datetime.now(UTC)
    _RESULTS.mkdir(exist_ok=True)
    file = _RESULTS / f"{at:%Y%m%dT%H%M%SZ}.json"
    numbers = {part: result.numbers for part, result in results.items()}
    record = {"at": at, "machine": machine, "arguments": vars(arguments), "rows": rows, "numbers": numbers}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    print(f"\nwritten to {file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
