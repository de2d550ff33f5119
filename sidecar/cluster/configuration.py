"""`python -m sidecar.cluster.configuration [KUBECONFIG]`: reads it, prints a `Read` or `Failed` as JSON, and ends.

The one module that imports kubernetes_asyncio: for kubeconfig, in-cluster configuration, exec plugins and auth
providers. Nothing imports it (see `reading`). What it prints holds keys and tokens, and goes to its parent alone.
"""

import asyncio
import logging
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec
from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import incluster_config, kube_config, load_incluster_config

from sidecar.cluster.reading import Failed, Outcome, Read, Reading
from sidecar.stamps import stamp_of


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


class _Said(logging.Handler):
    """Keeps what the library logs as a warning or worse, which it may do without raising anything."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


async def read(kubeconfig: str | None) -> Reading:
    """`kubeconfig`: a file (or several, joined as in $KUBECONFIG); None: in-cluster configuration.

    Raises anything: kubernetes_asyncio does so (KeyError, YAMLError, binascii.Error).
    """
    said = _Said()
    logging.getLogger().addHandler(said)
    try:
        configuration: _Configuration = Configuration()
        if kubeconfig is None:
            load_incluster_config(client_configuration=configuration)
            return _told(configuration, [incluster_config.SERVICE_TOKEN_FILENAME], said=said.lines)
        with tempfile.TemporaryDirectory(prefix="sidecar-") as made:
            sources, expires = await _load_kubeconfig(configuration, kubeconfig, made)
            return _told(configuration, sources, made=made, expires=expires, said=said.lines)
    finally:
        logging.getLogger().removeHandler(said)


def _told(
    configuration: _Configuration,
    sources: list[str],
    *,
    made: str | None = None,
    expires: datetime | None = None,
    said: list[str],
) -> Reading:
    """`made`: the folder of files that were made of a kubeconfig's data, and will not change."""
    certificates = [configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file]
    given = (file for file in certificates if file and (made is None or not file.startswith(made)))
    files = (*sources, *given)
    stamp = stamp_of(files)  # before their contents are read: a change in between is then found the next time
    ca, certificate, key = (Path(file).read_bytes() if file else None for file in certificates)
    authorization = configuration.api_key.get("BearerToken")
    return Reading(
        host=configuration.host,
        authorization=authorization.strip() if authorization else None,
        ca=ca,
        certificate=certificate,
        key=key,
        verify=configuration.verify_ssl,
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy,
        expires=expires,
        files=files,
        stamp=stamp,
        said=tuple(said),
    )


async def _load_kubeconfig(configuration: _Configuration, path: str, folder: str) -> tuple[list[str], datetime | None]:
    """Fills in `configuration`; returns the files it came from, and when a plugin's credential expires.

    What the kubeconfig gives as data is written to files in `folder`.
    """
    merged = kube_config.KubeConfigMerger(path)
    if merged.config is None:
        raise FileNotFoundError("there is no such file")
    loader = kube_config.KubeConfigLoader(config_dict=merged.config, config_base_path=None, temp_file_path=folder)
    await loader.load_and_set(configuration)
    user = merged.config["users"].get_with_name(loader.current_context["context"]["user"])
    token_file = user["user"].safe_get("tokenFile")
    beside = Path(user.path).parent
    files = [*merged.paths, *([os.fspath(beside / token_file)] if token_file else [])]
    return files, getattr(loader, "exec_plugin_expiry", None)


def _outcome(kubeconfig: str | None) -> Outcome:
    try:
        return Read(asyncio.run(read(kubeconfig)))
    except Exception as error:  # noqa: BLE001 - not swallowed: it is what there is to say
        return Failed(str(error) or repr(error))


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_outcome(sys.argv[1] if len(sys.argv) > 1 else None)))
