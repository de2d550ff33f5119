"""Prometheus' own judge of rules."""

import os
import shutil
import subprocess
from pathlib import Path

MISSING = (
    "This needs promtool, Prometheus' own checker of rules, on the PATH or where PROMTOOL says: it is in the archives "
    "of https://prometheus.io/download, and in Debian's package prometheus, from which .ci/run takes it."
)


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in `folder`. AssertionError if there is none."""
    binary = os.environ.get("PROMTOOL") or shutil.which("promtool")
    assert binary, MISSING
    return subprocess.run([binary, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
