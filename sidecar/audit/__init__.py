"""The audit log: who asked and when, proven, and what the watch missed; all of it pure."""

from sidecar.audit.batches import Batch, Unreadable
from sidecar.audit.reading import Left, Resource, Told, read
from sidecar.audit.repetition import Repetition

__all__ = ["Batch", "Left", "Repetition", "Resource", "Told", "Unreadable", "read"]
