"""The Kubernetes API as this project uses it: what was answered, never what it means for the recording."""

from sidecar.cluster.client import Cluster

__all__ = ["Cluster"]
