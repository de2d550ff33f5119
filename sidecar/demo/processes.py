"""The demo's processes: Python modules of this package, ended whatever happens."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

_STOP_SECONDS = 20.0  # the sidecar gives its last flush 10 s after SIGTERM

Output = int | IO[bytes]


async def started(
    module: str, *arguments: str, stdout: Output, stderr: Output, env: Mapping[str, str] | None = None
) -> Process:
    """`python -m MODULE ARGUMENTS`; `env` None: the environment of this process."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdin=DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=env,
            # A session of its own: Ctrl-C in a terminal reaches only the demo, which ends its parts in their order.
            start_new_session=True,
        )
    )
    try:
        # Cancelled in the middle of it, asyncio may wait for ever for the process that it has just killed.
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await stopped(await starting)
        raise


async def stopped(process: Process) -> None:
    """SIGTERM, and SIGKILL to one that does not end; returns when it has ended."""
    _send(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        await killed(process)


async def killed(process: Process) -> None:
    """SIGKILL; returns when it has ended."""
    _send(process, signal.SIGKILL)
    await process.wait()


def _send(process: Process, number: signal.Signals) -> None:
    # Not process.send_signal: of a process that has just ended it takes the exit code, which asyncio then misses
    # and warns of. Until asyncio has it, the kernel gives the number to no other process.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
