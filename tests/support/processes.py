"""A server process with its log in a file, ended whatever happens."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# A process that has not ended this long after SIGTERM is killed. kube-apiserver waits up to 60 s for its
# open watches, and no test has use for that.
_GRACE_SECONDS = 10.0
# Between two looks at a server that is starting.
_POLL_SECONDS = 0.05


class Server:
    """One running command. Blocking, and bound to no event loop: call it from a thread in async tests."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        """Starts `command`; what it prints is appended to the file `log`."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready` says so. Raises RuntimeError with the end of the log if the process ended."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with code {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {seconds} s:\n{self._tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a grace period; returns when the process has ended."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL; returns when the process has ended."""
        self._process.kill()
        self._process.wait()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
