"""A small Kubernetes API server for one cluster-scoped custom resource, state in memory.

A stand-in for the demo and for tests, not a second Kubernetes: it knows what a writer, a watcher and a
validating webhook of this one resource can see, and answers anything else with an error. It is held to the
real kube-apiserver by one conformance suite that runs against both; where they differ, this one is wrong.

`python -m sidecar.demo.apiserver --port N` runs it as a process of its own. Or, inside one:

    async with serving(Store(history=1000), bookmark_seconds=5.0) as url:
        ...

It has no authentication: `Authorization: Bearer NAME` is believed, `kubectl --as NAME` too (kubectl sends
no token over plain HTTP), and who says nothing is `admin`.
"""

from sidecar.demo.apiserver.admission import Webhook
from sidecar.demo.apiserver.http import serving
from sidecar.demo.apiserver.kubeconfig import kubeconfig
from sidecar.demo.apiserver.resource import PIECED_TENANTS, Resource
from sidecar.demo.apiserver.store import Store

__all__ = ["PIECED_TENANTS", "Resource", "Store", "Webhook", "kubeconfig", "serving"]
