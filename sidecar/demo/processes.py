"""The demo's processes: Python modules of this package, ended whatever happens."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import IO

_STOP_SECONDS = 20.0  # the sidecar gives its last flush 10 s after SIGTERM

Output = int | IO[bytes]


async def started(
    module: str, *arguments: str, stdout: Output, stderr: Output, env: Mapping[str, str] | None = None
) -> Process:
    """`python -m MODULE ARGUMENTS`; `env` None: the environment of this process."""
    return await asyncio.create_subprocess_exec(
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


async def stopped(process: Process) -> None:
    """SIGTERM, and SIGKILL to one that does not end; returns when it has ended."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
