"""A process of its own that uses a spool: to be killed, to hold the file, or to run out of disk.

Prints what has been promised to it, one line each, as soon as it was promised.
"""

import asyncio
import itertools
import resource
import sys
from pathlib import Path

from sidecar import logs
from sidecar.errors import SpoolFull
from sidecar.spool import Spool

ROOM = 2**30
FILE_LIMIT = 4 * 2**20


def say(*words: object) -> None:
    print(*words, flush=True)


async def _appending(spool: Spool, worker: str, first: int) -> None:
    for number in itertools.count(first):
        fact, value = f"{worker} {number}".encode(), str(number).encode()
        await spool.append([fact], {worker: value}, position=value if worker == "a" else None)
        say("stored", worker, number)


async def _confirming(spool: Spool) -> None:
    while True:
        await spool.waiting()
        rows = (await spool.take(20))[::2]
        for fact_id, body in rows:
            say("confirming", fact_id, body.decode())
        await spool.confirm([fact_id for fact_id, _ in rows])
        for fact_id, body in rows:
            say("confirmed", fact_id, body.decode())


async def append_and_confirm(path: Path, first: int) -> None:
    """Appends from three tasks (one moves the position), confirms from a fourth, for ever."""
    async with Spool.open(path, ROOM) as spool, asyncio.TaskGroup() as tasks:
        for worker in "abc":
            tasks.create_task(_appending(spool, worker, first))
        tasks.create_task(_confirming(spool))


async def hold(path: Path, _first: int) -> None:
    """Has the file open, for ever."""
    async with Spool.open(path, ROOM):
        say("open")
        await asyncio.Event().wait()


async def fill(path: Path, first: int) -> None:
    """Appends until the kernel writes no more into a file, then is given room again."""
    async with Spool.open(path, ROOM) as spool:
        await spool.append([b"first"], position=b"first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
        number = first
        try:
            while True:
                await spool.append([b"%d" % number * 2000], position=b"%d" % number)
                number += 1
        except SpoolFull:
            say("full", number, spool.writable)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await spool.append([b"%d" % number * 2000], position=b"%d" % number)
        say("resumed", number, spool.writable)


async def start_without_room(path: Path, _first: int) -> None:
    """Opens the file when the kernel writes no more than `FILE_LIMIT` into any, and appends a little."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
    async with Spool.open(path, ROOM) as spool:
        depth = await spool.depth()
        say("open", depth.facts, depth.set_aside)
        await spool.append([b"little"])
        depth = await spool.depth()
        say("appended", depth.facts, depth.set_aside)


if __name__ == "__main__":
    logs.configure("json", "error")  # to standard error: what is promised has standard output for itself
    roles = {role.__name__: role for role in (append_and_confirm, hold, fill, start_without_room)}
    asyncio.run(roles[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3])))
