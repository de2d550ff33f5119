"""The Kubernetes API as this project uses it: what was answered, never what it means for the recording."""

from sidecar.cluster.client import Cluster
from sidecar.cluster.requests import Requests
from sidecar.cluster.reviews import Identity, Reviews
from sidecar.cluster.tls_objects import Registration, StoredSecret, TlsObjects

__all__ = ["Cluster", "Identity", "Registration", "Requests", "Reviews", "StoredSecret", "TlsObjects"]
