"""How the API server is reached and how we name ourselves to it, re-read whenever that changes.

The one module that imports kubernetes_asyncio: for kubeconfig, in-cluster configuration, exec plugins and
auth providers. Its client package imports every model of Kubernetes (about 65 MiB and 1.3 s on top of
aiohttp) and its configuration cannot be had without it, so the import waits until a cluster is needed.
"""

import asyncio
import importlib
import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Protocol

from sidecar.errors import Misconfigured, Unavailable
from sidecar.stamps import stamps

_EXPIRY_MARGIN = timedelta(minutes=5)  # as kubernetes_asyncio's own EXPIRY_SKEW_PREVENTION_DELAY
_REFUSED_PAUSE = 10.0
"""Seconds between two readings because of a 401. An exec plugin may take a second and cost a login; client-go
likewise runs it again on 401 only when the last run is a while ago."""


class _Configuration(Protocol):
    """The parts of `kubernetes_asyncio.client.Configuration` that we read."""

    host: str
    api_key: dict[str, str]
    ssl_ca_cert: str | None
    cert_file: str | None
    key_file: str | None
    verify_ssl: bool
    tls_server_name: str | None
    proxy: str | None


@dataclass(frozen=True)
class Access:
    """One reading: `host` is the URL to begin with; the rest is what a request needs to carry."""

    host: str
    authorization: str | None
    tls: ssl.SSLContext
    server_hostname: str | None
    proxy: str | None


class AccessReader:
    """Gives the present access; reads it again when a file it came from changed, or it expires."""

    def __init__(self, kubeconfig: Path | None) -> None:
        """`kubeconfig`: a file (or several, joined as in $KUBECONFIG); None: in-cluster configuration."""
        self._kubeconfig = kubeconfig
        self._access: Access | None = None
        self._files: tuple[str, ...] = ()
        self._stamps: tuple[object, ...] = ()
        self._tls_stamps: tuple[object, ...] = ()
        self._expires: datetime | None = None
        self._doubted = False
        self._read_at = 0.0

    async def present(self) -> Access:
        """What to use for the next request.

        Raises `Misconfigured` if it can never have worked (no such file, not in a cluster, no such user);
        `Unavailable` if what worked before cannot be read now (a file half written, a plugin that failed).
        """
        if self._access is not None and not self._outdated():
            return self._access
        known = self._access
        try:
            self._access = await self._read()
        except Exception as error:  # kubernetes_asyncio raises anything here: KeyError, YAMLError, binascii.Error
            if known is None:
                raise Misconfigured(f"{self._where()} gives no access to a cluster: {error}") from error
            raise Unavailable(f"{self._where()} changed and cannot be read now: {error}") from error
        return self._access

    def doubt(self) -> None:
        """The API server did not know us (401): read again before the next request."""
        self._doubted = True

    def _where(self) -> str:
        return f"kubeconfig {self._kubeconfig}" if self._kubeconfig else "the in-cluster configuration"

    def _outdated(self) -> bool:
        if self._stamps != stamps(self._files):
            return True
        if self._expires is not None and datetime.now(UTC) >= self._expires - _EXPIRY_MARGIN:
            return True
        return self._doubted and time.monotonic() - self._read_at >= _REFUSED_PAUSE

    async def _read(self) -> Access:
        # In a thread, because for a second and a half the loop must go on answering.
        kubernetes = await asyncio.to_thread(importlib.import_module, "kubernetes_asyncio")
        configuration: _Configuration = kubernetes.client.Configuration()
        read_at = time.monotonic()
        if self._kubeconfig is None:
            sources = _load_in_cluster(kubernetes.config, configuration)
            self._expires = None
        else:
            sources, self._expires = await _load_kubeconfig(kubernetes.config, configuration, self._kubeconfig)
        tls_files = [f for f in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file) if f]
        # Taken before the certificates are read: a change in between is then found the next time.
        tls_stamps = (*stamps(tls_files), configuration.verify_ssl)
        # The same context, if nothing changed: connections that are open can be used again.
        kept = self._access.tls if self._access is not None and tls_stamps == self._tls_stamps else None
        tls = kept or _tls(configuration)
        self._files, self._tls_stamps = (*sources, *tls_files), tls_stamps
        self._stamps = stamps(self._files)
        self._read_at, self._doubted = read_at, False
        authorization = configuration.api_key.get("BearerToken")
        return Access(
            host=configuration.host,
            authorization=authorization.strip() if authorization else None,
            tls=tls,
            server_hostname=configuration.tls_server_name,
            proxy=configuration.proxy,
        )


def _load_in_cluster(config: ModuleType, configuration: _Configuration) -> list[str]:
    """Fills in `configuration`; returns the files that it came from."""
    config.load_incluster_config(client_configuration=configuration)
    return [config.incluster_config.SERVICE_TOKEN_FILENAME]


async def _load_kubeconfig(
    config: ModuleType, configuration: _Configuration, path: Path
) -> tuple[list[str], datetime | None]:
    """Fills in `configuration`; returns the files it came from, and when a plugin's credential expires."""
    merged = config.kube_config.KubeConfigMerger(os.fspath(path))
    if merged.config is None:
        raise FileNotFoundError("there is no such file")
    loader = config.kube_config.KubeConfigLoader(config_dict=merged.config, config_base_path=None)
    await loader.load_and_set(configuration)
    user = merged.config["users"].get_with_name(loader.current_context["context"]["user"])
    token_file = user["user"].safe_get("tokenFile")
    beside = Path(user.path).parent
    files = [*merged.paths, *([os.fspath(beside / token_file)] if token_file else [])]
    return files, getattr(loader, "exec_plugin_expiry", None)


def _tls(configuration: _Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13 refuses CAs without key usage or authority key id. The form of the cluster's CA is not ours
    # to choose, and client-go accepts them; whom we talk to is checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
