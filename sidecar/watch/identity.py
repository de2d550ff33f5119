"""Whose cluster answers: asked again with every list, because a kubeconfig can be switched while we run."""

from sidecar.answers import Tenants
from sidecar.errors import Misconfigured


async def confirm(tenants: Tenants, cluster_uid: str) -> None:
    """Returns if the cluster that answers now is `cluster_uid`; called after an answer, before it is believed.

    (Each request goes by the kubeconfig as it is then: asked before, another cluster could still answer.)
    Raises `Misconfigured` if it is another one: its tenants must not be filed under this one, nor its census
    end those. Raises `Answered`, `Unavailable`.
    """
    answering = await tenants.uid()
    if answering != cluster_uid:
        raise Misconfigured(
            f"the configuration led to cluster {cluster_uid} and now leads to cluster {answering}: "
            "use the first one's kubeconfig again, or give this cluster a spool and a database of its own"
        )
