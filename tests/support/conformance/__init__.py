"""What a writer, a watcher and a webhook see of an API server: one suite for the real one and the demo's.

A test module runs it by deriving a class from `Conformance` and giving a fixture `api` of type `Api`, with no
tenants and no reviews at the start. Where the two servers differ, the demo's is wrong.
"""

from tests.support.conformance.api import Api
from tests.support.conformance.reads import Reads
from tests.support.conformance.refusals import Refusals
from tests.support.conformance.watches import Watches
from tests.support.conformance.writes import Writes

__all__ = ["Api", "Conformance"]


class Conformance(Writes, Refusals, Watches, Reads):
    """The whole suite."""
