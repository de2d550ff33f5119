"""What the Containerfile says, and what its build stage makes, run in a folder of this machine."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage of the Containerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found: list[list[Instruction]] = [[]]
    for word, _, rest in (line.partition(" ") for line in lines):
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found[1:]


def only(stage: list[Instruction], word: str) -> str:
    """What stands behind the one instruction of that name."""
    (rest,) = (rest for each, rest in stage if each == word)
    return rest


def environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in shlex.split(rest))


@dataclass(frozen=True)
class Image:
    """What the build stage made: `root` stands for /, and everybody may look at it."""

    root: Path

    @property
    def prefix(self) -> Path:
        return self.root / "opt" / "sidecar"

    @property
    def packages(self) -> Path:
        (found,) = self.prefix.glob("lib/python3.*/site-packages")
        return found

    def here(self, command: str) -> str:
        """A command of the Containerfile, with its absolute paths in `root`."""
        return re.sub(r"(?<![\w./])/(?=build\b|opt\b|wheels\b)", f"{self.root}/", command)


def build(root: Path) -> Image:
    """The build stage, run line by line: the same commands, from the same files, with `root` for /."""
    image = Image(root)
    source = root / "src"
    stage, _ = stages()
    assert only(stage, "WORKDIR") == "/src"
    source.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, **environment(stage), "PATH": path}
    for word, rest in stage:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                _copy(ROOT / name, source / (name if target == "./" else target))
        elif word == "RUN":
            command = ["sh", "-ec", image.here(rest)]
            done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return image


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def as_user(user: int, group: int) -> list[str]:
    """What stands before a command so that it runs as them. Nothing if we are not root, and so without rights."""
    if os.getuid() != 0:
        return []
    before = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    interpreter = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in interpreter.parents):
        return [*before, "--bounding-set=-all"]
    # This Python lies in somebody's home. To look into it takes one capability, which lets nothing be changed.
    look = "-all,+dac_read_search"
    return [*before, f"--inh-caps={look}", f"--ambient-caps={look}", f"--bounding-set={look}"]
