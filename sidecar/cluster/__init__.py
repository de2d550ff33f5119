"""The Kubernetes API as this project uses it: what was answered, never what it means for the recording."""

from sidecar.cluster.client import Cluster
from sidecar.cluster.reviews import Identity, Reviews

__all__ = ["Cluster", "Identity", "Reviews"]
