"""Reading a PiecedTenant: what bills exactly as it stands, the rest never a crash and never a guess."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar import tenant
from sidecar.tenant import Nameless, Tenant
from tests.support.nested import HERE, LEVELS, nested

ORG = "pieced.ch/zitadel-org-id"
UID = "14013783-c89e-4f50-b1bb-4bcbcdaed690"
CAPTURED = Path(__file__).parent.parent / "data" / "watch-stream.jsonl"  # from a real kube-apiserver 1.36


def piece(spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    usual = {
        "name": "acme",
        "uid": UID,
        "generation": 1,
        "resourceVersion": "247",
        "creationTimestamp": "2026-11-22T09:26:44Z",
    }
    return {"metadata": usual | metadata, "spec": spec, "status": status}


def read(obj: Any) -> Tenant:
    return tenant.read(json.dumps(obj).encode(), ORG)


def captured() -> list[tuple[str, Tenant]]:
    lines = [msgspec.json.decode(line, type=dict[str, msgspec.Raw]) for line in CAPTURED.read_bytes().splitlines()]
    events = [(msgspec.json.decode(line["type"], type=str), line["object"]) for line in lines]
    return [(kind, tenant.read(obj, ORG)) for kind, obj in events if kind != "BOOKMARK"]


def test_the_captured_stream_reads_as_the_story_it_tells():
    story = [
        (
            kind,
            seen.name,
            seen.generation,
            int(seen.resource_version),
            ",".join(seen.packages or ()),
            seen.org,
        )
        for kind, seen in captured()
    ]
    acme = ("jitsi,searxng-local-search", "283746501")
    assert story == [
        ("ADDED", "acme", 1, 247, "searxng-local-search,threema", "283746501"),
        ("MODIFIED", "acme", 2, 249, "nextcloud,searxng-local-search,threema", "283746501"),
        ("MODIFIED", "acme", 3, 251, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 4, 252, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 4, 253, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 5, 254, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 5, 255, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 5, 256, "nextcloud,searxng-local-search", "283746501"),
        ("MODIFIED", "acme", 6, 258, *acme),
        ("MODIFIED", "acme", 6, 260, *acme),
        ("MODIFIED", "acme", 7, 261, *acme),
        ("DELETED", "acme", 7, 262, *acme),
        ("ADDED", "acme", 1, 263, "jitsi", "999000111"),
        ("ADDED", "beta", 1, 264, "jitsi,nextcloud", "555"),
        ("ADDED", "gamma", 1, 265, "", "555"),
        ("DELETED", "acme", 1, 266, "jitsi", "999000111"),
        ("DELETED", "beta", 1, 267, "jitsi,nextcloud", "555"),
        ("DELETED", "gamma", 1, 268, "", "555"),
        ("ADDED", "delta", 1, 269, "jitsi,nextcloud", "555"),
        ("ADDED", "epsilon", 1, 270, "", "555"),
        ("DELETED", "delta", 1, 271, "jitsi,nextcloud", "555"),
        ("DELETED", "epsilon", 1, 272, "", "555"),
    ]


def test_the_captured_stream_shows_suspension_and_the_requested_deletion():
    by_version = {seen.resource_version: seen for _, seen in captured()}
    assert {version for version, seen in by_version.items() if seen.suspended} == {"252", "253"}
    assert by_version["253"].suspended_at == datetime(2026, 11, 22, 9, 26, 49, tzinfo=UTC)
    assert by_version["254"].suspended_at is None  # resumed: what the status still says is stale
    assert {version for version, seen in by_version.items() if seen.deletion_requested_at} == {"261", "262"}
    assert by_version["261"].deletion_requested_at == datetime(2026, 11, 22, 9, 26, 58, tzinfo=UTC)


def test_a_bookmark_is_no_tenant():
    line = msgspec.json.decode(CAPTURED.read_bytes().splitlines()[0], type=dict[str, msgspec.Raw])
    with pytest.raises(Nameless):
        tenant.read(line["object"], ORG)


@pytest.mark.parametrize("spec", [None, {}, {"packages": None}, {"packages": []}, {"suspend": None}])
def test_absent_packages_are_none_and_an_absent_suspend_flag_is_false(spec):
    seen = read(piece(spec))
    assert (seen.packages, seen.suspended, seen.unreadable) == ((), False, None)


def test_a_spec_may_be_missing_altogether():
    obj = piece()
    del obj["spec"], obj["status"]
    assert read(obj).packages == ()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_the_order_and_the_repetition_of_packages_mean_nothing(packages):
    seen = read(piece({"packages": packages}))
    assert seen.packages == tuple(sorted(set(packages)))
    assert read(piece({"packages": packages[::-1] * 2})) == seen


@pytest.mark.parametrize(
    "spec",
    [
        {"packages": "jitsi"},
        {"packages": ["jitsi", 5]},
        {"packages": [None]},
        {"packages": [["jitsi"]]},
        {"packages": {"jitsi": True}},
        {"packages": 10**400},
        {"packages": ["a\0b"]},
        {"packages": ["jitsi"], "suspend": "true"},
        {"packages": ["jitsi"], "suspend": 1},
        "jitsi",
        ["jitsi"],
        5,
    ],
)
def test_what_is_no_list_of_strings_or_no_flag_keeps_its_identity_and_says_why(spec):
    seen = read(piece(spec, generation=3, labels={ORG: "555"}))
    assert (seen.uid, seen.name, seen.generation, seen.resource_version, seen.org) == (
        UID,
        "acme",
        3,
        "247",
        "555",
    )
    assert seen.packages is None
    assert not seen.suspended
    assert seen.unreadable


def test_the_reason_names_the_place():
    assert "$.spec.packages[1]" in str(read(piece({"packages": ["a", 5]})).unreadable)


def test_bytes_that_are_no_utf8_are_no_package_name():
    body = json.dumps(piece({"packages": ["XX"]})).encode().replace(b"XX", b"\xff\xfe")
    assert tenant.read(body, ORG).unreadable


@pytest.mark.parametrize("labels", [{ORG: 5}, {ORG: None}, {ORG: ["555"]}, "555", [ORG], {ORG: "5\0"}])
def test_an_org_label_that_is_no_text_is_no_org_and_makes_the_object_unreadable(labels):
    seen = read(piece({"packages": ["jitsi"]}, labels=labels))
    assert (seen.org, seen.packages) == (None, None)
    assert seen.unreadable


def test_another_label_that_is_no_text_does_not_hide_the_org():
    seen = read(piece({"packages": ["jitsi"]}, labels={ORG: "555", "team": 5}))
    assert seen.org == "555"
    assert seen.unreadable


@pytest.mark.parametrize("labels", [None, {}, {"team": "blue"}, {ORG: ""}])
def test_a_missing_or_empty_org_label_is_no_org_and_no_fault(labels):
    seen = read(piece({"packages": ["jitsi"]}, labels=labels))
    assert (seen.org, seen.packages, seen.unreadable) == (None, ("jitsi",), None)


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        5,
        "",
        "2026-11-22T09:26:44",
        {"at": 1},
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_deletion_timestamp_that_is_no_moment_is_never_guessed(text):
    seen = read(piece({"packages": ["jitsi"], "suspend": True}, deletionTimestamp=text))
    assert (seen.deletion_requested_at, seen.packages, seen.suspended) == (None, None, False)
    assert seen.unreadable


def test_times_are_kept_in_utc():
    seen = read(
        piece(
            {"suspend": True},
            {"suspendedAt": "2026-11-22T09:00:00.25-05:00"},
            creationTimestamp="2026-11-22T09:26:44+01:00",
            deletionTimestamp="2026-11-22T09:26:50+02:00",
        )
    )
    assert str(seen.created_at) == "2026-11-22 08:26:44+00:00"
    assert str(seen.deletion_requested_at) == "2026-11-22 07:26:50+00:00"
    assert str(seen.suspended_at) == "2026-11-22 14:00:00.250000+00:00"


@pytest.mark.parametrize(
    "status",
    [
        "Suspended",
        5,
        [],
        {"suspendedAt": 5},
        {"suspendedAt": "yesterday"},
        {"suspendedAt": "2026-11-22T09:26:49"},
        {"suspendedAt": "0001-01-01T00:00:00+14:00"},
        {"suspendedAt": {"at": []}},
        {"suspendedAt": "a\0"},
        {"phase": 10**400},
    ],
)
def test_a_status_of_any_shape_costs_at_most_its_time(status):
    seen = read(piece({"packages": ["jitsi"], "suspend": True}, status))
    assert (seen.packages, seen.suspended, seen.suspended_at, seen.unreadable) == (
        ("jitsi",),
        True,
        None,
        None,
    )


@pytest.mark.parametrize(
    "metadata",
    [
        {"uid": ""},
        {"uid": "x" * 36},
        {"uid": None},
        {"name": ""},
        {"name": "a\0"},
        {"name": 5},
        {"generation": 0},
        {"generation": -1},
        {"generation": 2**63 - 1},
        {"generation": 10**400},
        {"generation": 1.5},
        {"generation": "1"},
        {"resourceVersion": ""},
        {"resourceVersion": "0247"},
        {"resourceVersion": "-1"},
        {"resourceVersion": "2e3"},
        {"resourceVersion": "٢"},
        {"resourceVersion": "1" * 40},
        {"resourceVersion": 247},
        {"creationTimestamp": None},
        {"creationTimestamp": "long ago"},
        {"creationTimestamp": "2026-11-22T09:26:44"},
        {"creationTimestamp": "0001-01-01T00:00:00+14:00"},
        {"name": "n" * 254},
    ],
)
def test_an_object_without_a_usable_identity_is_nameless(metadata):
    with pytest.raises(Nameless):
        read(piece({"packages": []}, **metadata))


@pytest.mark.parametrize("version", ["0", "1", str(2**64), str(2**128 - 1)])
def test_versions_of_up_to_128_bits_are_versions(version):
    assert read(piece(resourceVersion=version)).resource_version == version


def test_a_package_that_no_key_of_a_table_can_hold_is_unreadable():
    assert read(piece({"packages": ["é" * 1_000]})).packages == ("é" * 1_000,)
    seen = read(piece({"packages": ["jitsi", "é" * 1_000 + "e"]}))
    assert (seen.packages, seen.unreadable) == (None, "a package name is longer than 2000 bytes")


def test_more_packages_than_one_statement_should_write_are_unreadable() -> None:
    most = [f"package-{number}" for number in range(10_000)]
    assert len(read(piece({"packages": [*most, most[0]]})).packages or ()) == 10_000
    seen = read(piece({"packages": [*most, "one-more"]}))
    assert (seen.packages, seen.unreadable) == (None, "more than 10000 packages")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"acme"',
        b"\xff",
        b'{"metadata": null}',
        b'{"metadata": {"name": "\\ud800"}}',
    ],
)
def test_what_is_no_object_of_kubernetes_is_nameless(body):
    with pytest.raises(Nameless):
        tenant.read(body, ORG)


DEEP = {
    "in the spec": piece({"extra": HERE, "packages": ["a"], "suspend": True}, {"suspendedAt": "2026-11-22T09:27:00Z"}),
    "in the status": piece(
        {"packages": ["a"], "suspend": True}, {"extra": HERE, "suspendedAt": "2026-11-22T09:27:00Z"}
    ),
    "in the managed fields": piece(
        {"packages": ["a"], "suspend": True},
        {"suspendedAt": "2026-11-22T09:27:00Z"},
        managedFields=[{"fieldsV1": HERE}],
    ),
    "beside the metadata": {"extra": HERE}
    | piece({"packages": ["a"], "suspend": True}, {"suspendedAt": "2026-11-22T09:27:00Z"}),
}


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
@pytest.mark.parametrize("obj", DEEP.values(), ids=DEEP)
def test_however_deep_foreign_fields_are_nested_what_bills_is_read(obj, levels):
    found = tenant.read(nested(obj, levels), ORG)
    assert found == read(piece({"packages": ["a"], "suspend": True}, {"suspendedAt": "2026-11-22T09:27:00Z"}))
    assert found.suspended_at is not None


@pytest.mark.parametrize("levels", [*LEVELS, 100_000])
@pytest.mark.parametrize("spec", [{"packages": HERE}, {"packages": 5, "extra": HERE}, {"packages": [HERE]}])
def test_what_has_something_deep_for_its_packages_or_beside_odd_ones_is_known_by_its_identity(spec, levels):
    found = tenant.read(nested(piece(spec), levels), ORG)
    assert (found.uid, found.generation, found.packages) == (UID, 1, None)
    assert "Expected `" in (found.unreadable or "")


@pytest.mark.parametrize("levels", LEVELS)
def test_where_texts_are_due_something_deep_is_nothing_that_an_api_server_says(levels):
    assert tenant.read(nested(piece(annotations={"a": HERE}), levels), ORG).packages is None
    with pytest.raises(Nameless):
        tenant.read(nested(piece(name=HERE), levels), ORG)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["2026-11-22T09:26:44Z", UID]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
places = ["name", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels"]


@given(anything, anything, st.dictionaries(st.sampled_from([*places, "annotations", "finalizers"]), anything))
@example({"packages": ["\ud800"]}, None, {})
def test_whatever_stands_in_an_object_it_is_read_or_refused_but_never_guessed(spec, status, metadata):
    obj = piece(spec, status, **metadata)
    try:
        seen = read(obj)
    except Nameless:
        return
    assert (seen.packages is None) == (seen.unreadable is not None)
    if seen.packages is not None:
        given_spec = obj["spec"] or {}
        assert set(seen.packages) == set(given_spec.get("packages") or [])
        assert seen.suspended == bool(given_spec.get("suspend"))
        assert (seen.deletion_requested_at is not None) == (obj["metadata"].get("deletionTimestamp") is not None)
        assert seen.org == ((obj["metadata"].get("labels") or {}).get(ORG) or None)
