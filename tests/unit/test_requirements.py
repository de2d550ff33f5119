"""What the image installs is what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pinned(file: str) -> dict[str, str]:
    """Name and version of what a file pins."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("requirements-build.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_every_dependency_is_pinned_in_a_version_that_is_allowed(file: str, asked: list[str]) -> None:
    versions = pinned(file)
    for requirement in map(Requirement, asked):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {file}: run make requirements"
        assert requirement.specifier.contains(version), f"{requirement}: {file} has {version}: run make requirements"


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-build.txt"])
def test_everything_is_pinned_by_hash_and_from_nowhere_in_particular(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pins = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(pinned(file)) > 3
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "index" not in text
