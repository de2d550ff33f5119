"""The names of a serving certificate: what one may ask for, and what it bears."""

import ipaddress
from datetime import UTC, datetime

import pytest

from sidecar.certificates import names
from sidecar.certificates.issuing import names_of, new_authority, new_serving
from sidecar.errors import Misconfigured

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "a b", "*.example", "-a", "a_b", "a..b", "a/b", "10.0.0.256", "1.2.3", "a" * 64, "a." * 130 + "a", "é"]
)
def test_what_is_neither_a_dns_name_nor_an_address_is_refused(text) -> None:
    with pytest.raises(Misconfigured, match="is neither a DNS name nor an IP address"):
        names.host(text)


@pytest.mark.parametrize("text", ["", "a/b", "..", "../x", "a.b", "A", "a" * 64, "a?b"])
def test_a_name_that_could_change_a_path_is_none_of_a_namespace(text) -> None:
    with pytest.raises(Misconfigured, match="is no name that a Service or namespace can have"):
        names.label(text)


@pytest.mark.parametrize("text", ["", "a/b", "..", "../x", "a?b", "a%2fb"])
def test_a_name_that_could_change_a_path_is_none_of_an_object(text) -> None:
    with pytest.raises(Misconfigured, match="is no name that an object can have"):
        names.object_name(text)


def test_a_service_has_the_names_that_the_cluster_calls_it_by_and_what_was_asked_for() -> None:
    more = [names.host(text) for text in ("10.96.0.50", "FD00::1", "Billing.example")]
    assert names.of_service("billing-sidecar", "portal", more) == {
        "billing-sidecar",
        "billing-sidecar.portal",
        "billing-sidecar.portal.svc",
        "billing-sidecar.portal.svc.cluster.local",
        "billing.example",
        ipaddress.ip_address("10.96.0.50"),
        ipaddress.ip_address("fd00::1"),
    }


def test_a_certificate_bears_exactly_the_names_that_it_was_made_for_however_long() -> None:
    longest = names.of_service("s" * 63, "n" * 63, [names.host("::1")])
    assert names_of(new_serving(new_authority(NOW), longest, NOW).certificate) == longest
