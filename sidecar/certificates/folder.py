"""The certificates in a folder, for a demo or a test: `ca.crt`, `tls.crt` and `tls.key`. The CA's key is not kept."""

import os
from datetime import datetime
from pathlib import Path

from sidecar.certificates.issuing import new_authority, new_serving, read_certificates, read_issued
from sidecar.certificates.names import Name, listed
from sidecar.certificates.renewal import renewed_at, serving_problem
from sidecar.errors import Misconfigured


def write(folder: Path, names: frozenset[Name], now: datetime) -> str:
    """Makes a CA and a serving certificate for `names`, unless those there are good. Says in a sentence what it did.

    Raises `Misconfigured` if the folder cannot be written.
    """
    try:
        return _written(folder, names, now)
    except OSError as error:
        raise Misconfigured(f"--dir {folder}: the certificates cannot be kept there: {error}") from error


def _written(folder: Path, names: frozenset[Name], now: datetime) -> str:
    authorities = read_certificates(_content(folder / "ca.crt"))
    present = read_issued(read_certificates(_content(folder / "tls.crt")), _content(folder / "tls.key"))
    problem = "there is none"
    if present is not None:
        problem = serving_problem(present.certificate, authorities, names, now)
        if not problem:
            return f"{folder}: nothing is due before {renewed_at(present.certificate):%Y-%m-%d %H:%M} UTC."
    authority = new_authority(now)
    serving = new_serving(authority, names, now)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "ca.crt", authority.certificate_pem(), 0o644)
    _replace(folder / "tls.key", serving.key_pem(), 0o600)
    _replace(folder / "tls.crt", serving.certificate_pem(), 0o644)
    return (
        f"{folder}: made a CA and a serving certificate ({problem}) for {listed(names)}; "
        f"it ends on {serving.certificate.not_valid_after_utc:%Y-%m-%d}."
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _replace(file: Path, content: bytes, mode: int) -> None:
    """The whole file or the one before it, and at no moment readable by more people than `mode` says."""
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:  # noqa: PTH123 - a mode
        opened.write(content)
    beside.replace(file)
