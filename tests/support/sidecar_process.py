"""The sidecar as a process of its own: started, killed, stopped, and read by what it logs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.waiting import PATIENCE_SECONDS, POLL_SECONDS

T = TypeVar("T")


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code and what it printed."""

    code: int
    output: str
    errors: str


class Sidecar:
    """One sidecar with a spool of its own. `settings` are variables beside the three that it always needs."""

    def __init__(self, folder: Path, kubeconfig: Path, database_url: str, **settings: str) -> None:
        """Keeps spool and log in `folder`; starts nothing yet."""
        self.spool = folder / "spool.db"
        self.log = folder / "sidecar.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "DATABASE_URL": database_url,
            "SIDECAR_SPOOL": str(self.spool),
            "SIDECAR_HTTP": "127.0.0.1:0",
            "SIDECAR_HTTPS": "127.0.0.1:0",
            "SIDECAR_LOG": "json",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0  # bytes of the log that earlier runs wrote

    def start(self) -> None:
        """Start it; returns at once."""
        assert self._process is None, "it is running"
        self._started_at = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sidecar"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
            )

    @property
    def process_id(self) -> int:
        """Of the one that runs."""
        return self._running().pid

    async def kill(self) -> None:
        """SIGKILL, in whatever it is doing; returns when it is dead."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM; returns when it has ended, which must be in order."""
        code = await self._end(signal.SIGTERM)
        assert code == 0, f"it ended with code {code}:\n{self.tail()}"

    def pause(self) -> None:
        """SIGSTOP: it hangs, with its ports open, until `resume`."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    async def exit_code(self) -> int:
        """Wait until it ends by itself."""
        process, self._process = self._running(), None
        return await asyncio.to_thread(process.wait, PATIENCE_SECONDS)

    def events(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of the present run (or of the last one) with that event and these values."""
        with self.log.open("rb") as log:
            log.seek(self._started_at)
            lines = [json.loads(line) for line in log if line.startswith(b"{") and line.endswith(b"}\n")]
        return [line for line in lines if line["event"] == event and all(line.get(k) == v for k, v in fields.items())]

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """The first such line of the present run; waits for it. AssertionError if the process ends before."""
        return await self.while_running(lambda: self._first(event, fields), f"it never logged {event} {fields}")

    async def while_running(self, ask: Callable[[], Awaitable[T]], failure: str) -> T:
        """Ask until the answer is true, and return it.

        AssertionError, with the end of the log, if the process ends before, or after a long while.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            code = self._running().poll()  # before the last question: what it did before it ended counts
            if answer := await ask():
                return answer
            assert code is None, f"it ended with code {code}; {failure}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{failure}:\n{self.tail()}"
            await asyncio.sleep(POLL_SECONDS)

    async def _first(self, event: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        return next(iter(self.events(event, **fields)), None)

    def tail(self) -> str:
        """The end of the log, for a failure's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    async def command(self, *arguments: str) -> Ended:
        """Run `python -m sidecar ARGUMENTS` with the same settings, to its end."""
        process = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "sidecar", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ended(process.returncode, process.stdout.decode(), process.stderr.decode())

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._running(), None
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, PATIENCE_SECONDS)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it has not been started"
        return self._process

    def abandon(self) -> None:
        """Leave nothing running, whatever happened."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@asynccontextmanager
async def sidecar(folder: Path, kubeconfig: Path, database_url: str, **settings: str) -> AsyncIterator[Sidecar]:
    """A sidecar that has not been started; nothing of it is left running at the end."""
    made = Sidecar(folder, kubeconfig, database_url, **settings)
    try:
        yield made
    finally:
        made.abandon()
