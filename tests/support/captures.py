"""What a real kube-apiserver 1.36 told three observers of one story: `tests/data`, and what is true of it."""

import json
from pathlib import Path
from typing import Any

from sidecar.audit import Resource

DATA = Path(__file__).parents[1] / "data"
LABEL = "pieced.ch/zitadel-org-id"
RESOURCE = Resource("pieced.ch", "v1alpha1", "piecedtenants", LABEL)


def lines(name: str) -> list[bytes]:
    """The lines of a recording."""
    return (DATA / name).read_bytes().splitlines()


def events() -> list[dict[str, Any]]:
    """The events that the audit webhook backend sent, in the order in which they came."""
    return [event for line in lines("audit-eventlists.jsonl") for event in json.loads(line)["items"]]


def reviews() -> list[dict[str, Any]]:
    """The AdmissionReviews that the webhook got, in the order in which they came."""
    return [json.loads(line) for line in lines("admission-reviews.jsonl")]
