"""What is to be done about the certificates: one step, decided from what is there and what time it is.

The order keeps one promise: at every moment, also when a run dies between two writes, whoever goes by a caBundle
trusts the certificate that the servers present, the newest as well as the one before it, which a pod may present for
a minute longer. So a CA is published before it signs, and trusted until it ends; and a new one is made only when no
serving certificate is due, so that the first that it signs comes weeks after it was published.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from sidecar.certificates.issuing import SERVING_LIFE, Issued, names_of, signed_by, valid_at
from sidecar.certificates.names import Name

AUTHORITY_LEAD = 2 * SERVING_LIFE
"""So long before its end a CA has a successor. What it signed last then ends long before itself, and nothing that is
valid is ever without a CA: at the worst of runs a month apart it signs with 150 days left, for 90."""

_SERVING_SHARE = 2 / 3
"""Of its life, after which a serving certificate is renewed (as cert-manager does it): 60 days. The 30 left are as
many daily runs that may fail, or the four weeks in which somebody mends them."""


@dataclass(frozen=True)
class Held:
    """What is there. `authority`: the CA that signs, if we have its key; `authorities`: all CAs that were published.

    `serving`: what the servers present; `published`: the CAs beside it. `trusted`: the CAs in the caBundle of each
    webhook; None: there is no such webhook configuration.
    """

    authority: Issued | None = None
    authorities: tuple[Certificate, ...] = ()
    serving: Issued | None = None
    published: tuple[Certificate, ...] = ()
    trusted: tuple[tuple[Certificate, ...], ...] | None = None


@dataclass(frozen=True)
class MakeAuthority:
    """Make a CA and keep it as the one that signs, in front of `others`, which stay published."""

    others: tuple[Certificate, ...]
    because: str


@dataclass(frozen=True)
class Trust:
    """Make these CAs, and no others, the caBundle of every webhook."""

    bundle: tuple[Certificate, ...]


@dataclass(frozen=True)
class MakeServing:
    """Let `authority` sign a serving certificate, and keep it with `bundle` beside it."""

    authority: Issued
    bundle: tuple[Certificate, ...]
    because: str


@dataclass(frozen=True)
class Publish:
    """Keep these CAs beside the serving certificate, which stays."""

    bundle: tuple[Certificate, ...]


@dataclass(frozen=True)
class Rest:
    """There is nothing to do before `until`."""

    until: datetime


Step = MakeAuthority | Trust | MakeServing | Publish | Rest


def decide(held: Held, names: frozenset[Name], now: datetime) -> Step:
    """The next step. Take it, look at what is there then, and decide again; `Rest` is the last.

    `names`: those that the serving certificate must bear.
    """
    signing = held.authority
    living = _living((*held.authorities, *held.published), now)
    if signing is None or (problem := _unfit(signing.certificate, now)):
        return MakeAuthority(living, "there is none" if signing is None else problem)
    bundle = (signing.certificate, *(each for each in living if each != signing.certificate))
    if held.trusted is not None and any(trusted != bundle for trusted in held.trusted):
        return Trust(bundle)
    if held.serving is None or (problem := serving_problem(held.serving.certificate, bundle, names, now)):
        return MakeServing(signing, bundle, "there is none" if held.serving is None else problem)
    if held.published != bundle:
        return Publish(bundle)
    successor_due = signing.certificate.not_valid_after_utc - AUTHORITY_LEAD
    if now >= successor_due:
        return MakeAuthority(bundle, f"the present one ends on {signing.certificate.not_valid_after_utc:%Y-%m-%d}")
    ends = [each.not_valid_after_utc for each in bundle]
    return Rest(min(successor_due, renewed_at(held.serving.certificate), *ends))


def serving_problem(
    certificate: Certificate, bundle: Iterable[Certificate], names: frozenset[Name], now: datetime
) -> str:
    """Why the servers need another certificate than this one, in words; empty if they do not.

    `bundle`: the CAs that are trusted.
    """
    if not valid_at(certificate, now):
        return f"the present one is valid only {_span(certificate)}"
    if not any(signed_by(certificate, each) and valid_at(each, now) for each in bundle):
        return "no CA that is trusted has signed the present one"
    if names_of(certificate) != names:
        return "the present one has other names"
    if now >= renewed_at(certificate):
        return f"the present one ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def renewed_at(certificate: Certificate) -> datetime:
    """When a serving certificate is due for renewal."""
    begin = certificate.not_valid_before_utc
    return begin + _SERVING_SHARE * (certificate.not_valid_after_utc - begin)


def _unfit(authority: Certificate, now: datetime) -> str:
    """Why this CA cannot sign any more; empty if it can, for a whole life of what it signs."""
    if not valid_at(authority, now):
        return f"the present one is valid only {_span(authority)}"
    if authority.not_valid_after_utc - now < SERVING_LIFE:
        return f"the present one ends on {authority.not_valid_after_utc:%Y-%m-%d}, before what it would sign now"
    return ""


def _living(authorities: Iterable[Certificate], now: datetime) -> tuple[Certificate, ...]:
    """Each once, the newest first, without those that have ended: nothing that they signed is valid either."""
    found = {each for each in authorities if now < each.not_valid_after_utc}
    return tuple(sorted(found, key=lambda each: (each.not_valid_before_utc, each.serial_number), reverse=True))


def _span(certificate: Certificate) -> str:
    return f"from {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
