"""What the command line asks for, checked and carried out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sidecar.certificates import folder, names
from sidecar.certificates.keeping import Keeping, Places, Say
from sidecar.cluster import TlsObjects
from sidecar.errors import Misconfigured

# Where every pod with a ServiceAccount finds the name of its namespace (kubernetes.io, "Access the API from a Pod").
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


async def keep(
    kubeconfig: Path | None,
    *,
    namespace: str | None,
    secret: str,
    service: str,
    webhook: str,
    hosts: Sequence[str],
    say: Say,
) -> bool:
    """Does what is due in the cluster. `namespace` None: this pod's. The rest is as in `Keeping`.

    Raises `Misconfigured` for a name that cannot be one, besides what `Keeping.run` raises.
    """
    namespace = names.label(namespace or _own_namespace())
    places = Places(names.object_name(secret), names.object_name(webhook))
    borne = names.of_service(names.label(service), namespace, map(names.host, hosts))
    async with TlsObjects.connect(kubeconfig, namespace) as objects:
        return await Keeping(objects, places, borne, say).run(datetime.now(UTC))


def write(into: Path, hosts: Sequence[str], say: Say) -> None:
    """Does what is due in a folder. Raises `Misconfigured`, as `folder.write` does and for a host that is none."""
    say(folder.write(into, names.of_this_machine(map(names.host, hosts)), datetime.now(UTC)))


def _own_namespace() -> str:
    try:
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(
            "The namespace of the Secrets is not known, because this is no pod: say it with --namespace"
        ) from error
