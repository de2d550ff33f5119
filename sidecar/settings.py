"""All settings: one frozen value, read once from the environment. Nobody else reads the environment."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sidecar.errors import Misconfigured

REQUIRED = "required"
"""The `default` of a setting that has none."""


class Secret:
    """A text that no repr, log line or traceback shows; `reveal` gives it to the one who needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __bool__(self) -> bool:
        return bool(self._text)


class Address(NamedTuple):
    """Where a server listens. Port 0 lets the kernel choose a free one."""

    host: str
    port: int


def _text(pattern: str, what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is no {what}")
        return text

    return read


def _number(least: int, most: int, unit: str, times: int = 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"is no whole number of {unit} from {least} to {most}")
        return int(text) * times

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"is not one of {', '.join(words)}")
        return text

    return read


def _address(text: str) -> Address:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):([0-9]{1,5})", text)
    if not found or int(found[3]) > 65535:
        raise ValueError("is no address like 0.0.0.0:8080 or [::]:8080")
    return Address(found[1] or found[2], int(found[3]))


def _postgres(text: str) -> Secret:
    if not text.startswith(("postgres://", "postgresql://")):
        raise ValueError("does not begin with postgresql://")
    return Secret(text)


def _about(variable: str, default: str | None, read: Callable[[str], object], meaning: str) -> dict[str, object]:
    """A field's metadata. `default`: as one would write it into the variable; None: the field is None."""
    return {"variable": variable, "default": default, "read": read, "meaning": meaning}


# RFC 1123, as Kubernetes applies it to API groups, label prefixes and resource names.
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_LABEL_KEY = rf"({_DNS_NAME}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says. Each field's metadata has `variable`, `default` and `meaning`."""

    database_url: Secret = field(metadata=_about("DATABASE_URL", REQUIRED, _postgres, "Postgres"))
    """Empty only for the commands that need no database, which say so."""

    spool: Path = field(metadata=_about("SIDECAR_SPOOL", "/var/lib/sidecar/spool.db", Path, "SQLite file"))

    # From 32 MiB: the largest append is what one request of 16 MiB becomes, beside what waits already.
    spool_max_bytes: int = field(
        metadata=_about(
            "SIDECAR_SPOOL_MAX_MB",
            "1024",
            _number(32, 2**20, "MiB", times=2**20),
            "above it: audit gets 503, the watch pauses; nothing is dropped",
        )
    )
    """Bytes; the variable counts MiB."""

    group: str = field(
        metadata=_about("SIDECAR_GROUP", "pieced.ch", _text(_DNS_NAME, "API group"), "API group of the tenants")
    )
    version: str = field(
        metadata=_about("SIDECAR_VERSION", "v1alpha1", _text(_DNS_LABEL, "API version"), "its version")
    )
    plural: str = field(metadata=_about("SIDECAR_PLURAL", "piecedtenants", _text(_DNS_LABEL, "plural"), "its plural"))
    org_label: str = field(
        metadata=_about(
            "SIDECAR_ORG_LABEL",
            "pieced.ch/zitadel-org-id",
            _text(_LABEL_KEY, "label key"),
            "label whose value is the org's id",
        )
    )
    bootstrap: Literal["backfill", "auto"] = field(
        metadata=_about(
            "SIDECAR_BOOTSTRAP",
            "backfill",
            _one_of("backfill", "auto"),
            "or `auto`: adopt baselines at the first start",
        )
    )
    resync_seconds: int = field(
        metadata=_about("SIDECAR_RESYNC_SECONDS", "1200", _number(1, 86400, "seconds"), "self-check relist")
    )
    """Seconds between two complete lists that check the watch; a day at most, or it checks nothing."""

    http: Address = field(
        metadata=_about("SIDECAR_HTTP", "0.0.0.0:8080", _address, "plain: health, metrics, admin API")
    )
    https: Address = field(metadata=_about("SIDECAR_HTTPS", "0.0.0.0:8443", _address, "TLS: called by the API server"))
    tls_cert: Path = field(
        metadata=_about("SIDECAR_TLS_CERT", "/etc/sidecar/tls/tls.crt", Path, "reloaded when it changes")
    )
    tls_key: Path = field(
        metadata=_about("SIDECAR_TLS_KEY", "/etc/sidecar/tls/tls.key", Path, "reloaded when it changes")
    )
    audit_token_file: Path | None = field(
        metadata=_about("SIDECAR_AUDIT_TOKEN_FILE", None, Path, "bearer token for `/audit`; none: it answers 503")
    )
    admin_token_file: Path | None = field(
        metadata=_about(
            "SIDECAR_ADMIN_TOKEN_FILE",
            None,
            Path,
            "bearer token for `/api/admin`, besides ServiceAccount tokens",
        )
    )
    admin_audience: str = field(
        metadata=_about("SIDECAR_ADMIN_AUDIENCE", "pieced-billing", _text(r"\S+", "audience"), "TokenReview audience")
    )
    log: Literal["json", "console"] | None = field(
        metadata=_about("SIDECAR_LOG", None, _one_of("json", "console"), "`json` if not a terminal")
    )
    """None: whichever suits where the lines go."""

    log_level: Literal["debug", "info", "warning", "error"] = field(
        metadata=_about(
            "SIDECAR_LOG_LEVEL",
            "info",
            _one_of("debug", "info", "warning", "error"),
            "least level that is logged",
        )
    )
    kubeconfig: Path | None = field(metadata=_about("KUBECONFIG", None, Path, "in-cluster configuration if not set"))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, needs_database: bool = True) -> "Settings":
        """The settings in `environ`; a variable that is empty counts as not set.

        `needs_database`: whether the command cannot do without DATABASE_URL. Raises `Misconfigured`, which
        lists every problem: values that cannot be, and SIDECAR_ variables that do not exist (a misspelt one
        must not be ignored; those that Kubernetes sets for a Service of that name are no settings).
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for each in dataclasses.fields(cls):
            variable, text = each.metadata["variable"], environ.get(each.metadata["variable"], "")
            default = each.metadata["default"]
            if not text and default is REQUIRED:
                values[each.name] = Secret("")
                if needs_database:
                    problems.append(f"{variable}: not set; it says where Postgres is, postgresql://user@host/name")
            elif not text and default is None:
                values[each.name] = None
            else:
                try:
                    values[each.name] = each.metadata["read"](text or default)
                except ValueError as error:
                    shown = "its value" if default is REQUIRED else repr(text)
                    problems.append(f"{variable}: {shown} {error}")
        problems += _unknown(environ, [each.metadata["variable"] for each in dataclasses.fields(cls)])
        if (at := values.get("http")) and at == values.get("https") and at.port:
            problems.append("SIDECAR_HTTP and SIDECAR_HTTPS: both are the same address")
        if problems:
            raise Misconfigured("\n".join(["The settings cannot be used:", *(f"- {each}" for each in problems)]))
        return cls(**values)


def _unknown(environ: Mapping[str, str], known: list[str]) -> list[str]:
    services = {name.removesuffix("_SERVICE_HOST") for name in environ if name.endswith("_SERVICE_HOST")}
    # What kubelet sets for each Service of the namespace (enableServiceLinks): NAME_SERVICE_HOST,
    # NAME_SERVICE_PORT[_PORTNAME], and Docker's NAME_PORT[_8080_TCP[_PROTO|_PORT|_ADDR]].
    link = r"_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
    problems = []
    for name in sorted(environ):
        if not name.startswith("SIDECAR_") or name in known:
            continue
        if any(name.startswith(each) and re.fullmatch(link, name.removeprefix(each)) for each in services):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        problems.append(f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    return problems
