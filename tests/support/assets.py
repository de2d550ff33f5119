"""The binaries of a real Kubernetes, which KUBEBUILDER_ASSETS names the folder of."""

import os
from pathlib import Path


def asset(name: str) -> Path:
    """The binary of that name in KUBEBUILDER_ASSETS. Raises RuntimeError, saying what to do, without it."""
    folder = os.environ.get("KUBEBUILDER_ASSETS", "")
    path = Path(folder) / name
    if not folder or not os.access(path, os.X_OK):
        where = f"not in {folder}" if folder else "nowhere: KUBEBUILDER_ASSETS is not set"
        raise RuntimeError(
            f"The end-to-end tests need a real {name}, and it is {where}. Run `make envtest`, which builds "
            "it (`make e2e` does that and runs the tests), or set KUBEBUILDER_ASSETS to a folder with "
            "kube-apiserver, etcd and kubectl."
        )
    return path
