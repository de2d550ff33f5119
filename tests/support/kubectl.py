"""kubectl as one user."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.assets import asset


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig, and caches of its own. Blocking: in async tests by `asyncio.to_thread`."""

    config: Path

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """One command, whatever comes of it. `given` is its standard input."""
        return subprocess.run(
            [
                asset("kubectl"),
                f"--kubeconfig={self.config}",
                f"--cache-dir={self.config.parent / 'cache'}",
                *arguments,
            ],
            input=given,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.config.parent)},
            timeout=60,
            check=False,
        )

    def __call__(self, *arguments: str, given: str = "") -> str:
        """What it prints; it must succeed."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()
