"""One reading of a kubeconfig or of a pod's configuration, made by a process of its own.

kubernetes_asyncio's configuration cannot be had without its client, which imports every model of Kubernetes: 66 MiB
and more than a second of CPU, for some lines of text. So `sidecar.cluster.configuration` runs in a process that ends
when it has said what it read, and the memory ends with it. In a pod that is once an hour, when the token changes.
"""

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

import msgspec

# Seconds. The process needs two on a busy machine; the rest is for an exec plugin, which may ask another service. A
# request waits meanwhile, and one to the API server is given up after as long.
_PATIENCE = 60.0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What there was to read. The certificates and the key are the files' contents, in PEM."""

    host: str
    authorization: str | None = None
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    verify: bool = True
    server_hostname: str | None = None
    proxy: str | None = None
    expires: datetime | None = None  # a plugin's credential
    files: tuple[str, ...]
    stamp: str  # of the files, as `stamp_of` says it, before their contents were read
    said: tuple[str, ...] = ()  # what the library logged as a warning or worse


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why there is none."""

    why: str


class Read(msgspec.Struct, frozen=True, tag=True):
    """What the process says when it could be read."""

    reading: Reading


Outcome = Read | Failed


class Unreadable(Exception):
    """There is no access to be read; the message says why."""


async def read_apart(kubeconfig: Path | None) -> Reading:
    """What the kubeconfig says; None: what the pod has. Raises `Unreadable`, or OSError if no process can be started.

    A process that is not needed any more, because the caller was cancelled or waited for too long, is killed.
    """
    where = [] if kubeconfig is None else [os.fspath(kubeconfig)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar.cluster.configuration", *where, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise Unreadable(f"reading it took longer than {_PATIENCE:.0f} s: does a plugin wait for something?") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        outcome: Outcome = msgspec.json.decode(said, type=Outcome)
    except msgspec.DecodeError as error:
        raise Unreadable(f"the process that reads it ended with code {process.returncode} and said nothing") from error
    if isinstance(outcome, Failed):
        raise Unreadable(outcome.why)
    return outcome.reading
