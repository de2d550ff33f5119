"""Whether a file has changed: what its name, its place on the disk, its time and its size say."""

import os
from collections.abc import Iterable
from pathlib import Path


def stamps(files: Iterable[str | os.PathLike[str]]) -> tuple[object, ...]:
    """What differs once one of these files does, appears or vanishes; one that cannot be looked at counts as absent.

    Secret volumes swap a symlink (`..data`): stat follows it.
    """
    return tuple(_stamp(Path(file)) for file in files)


def stamp_of(files: Iterable[str | os.PathLike[str]]) -> str:
    """The same as one text, which another process may be told."""
    return repr(stamps(files))


def _stamp(file: Path) -> object:
    try:
        stat = file.stat()
    except OSError:
        return (file, None)
    return (file, stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
