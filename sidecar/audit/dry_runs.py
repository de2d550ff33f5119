"""Whether a request was only a trial: asked for with `dryRun`, and answered as if it had been done (pure).

Read as the API server does, or a write could be hidden: with Python's reading of an address, `?dryRun=All;` was a dry
run here and a committed write there (seen on kube-apiserver 1.36).
"""

import re
from urllib.parse import unquote_plus

import msgspec

from sidecar.answers import UNDECODABLE
from sidecar.attempts import noted
from sidecar.audit.events import DeleteOptions, Event
from sidecar.nesting import decode

_DELETIONS = frozenset({"delete", "deletecollection"})
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_options = msgspec.json.Decoder(DeleteOptions)


def is_dry_run(event: Event) -> bool:
    """Whether nothing was stored, although the answer says that all went well."""
    if any(noted(event.annotations or {})):
        return False  # our webhook leaves no note in a dry run
    if event.verb in _DELETIONS:
        try:
            return bool(decode(_options, event.request_object).dry_run)  # then nobody looks at the address
        except UNDECODABLE:
            pass  # no options were sent, or not recorded
    _, _, query = event.request_uri.partition("?")
    return any(_asks(pair) for pair in query.split("&"))


def _asks(pair: str) -> bool:
    """Go leaves out a pair that has a semicolon or a broken escape; an empty value is refused, never done."""
    if ";" in pair or _NO_ESCAPE.search(pair):
        return False
    name, _, value = pair.partition("=")
    return unquote_plus(name) == "dryRun" and value != ""
