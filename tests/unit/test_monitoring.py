"""The metrics' documents, alerts and dashboard say what the code measures."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from sidecar.attempts import WEBHOOK
from sidecar.billing.statements import COUNT_ANOMALIES
from sidecar.measures import ANOMALIES, LOSSES, MEASURES
from sidecar.watch.happenings import Lost, Trouble

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))

# Measured by the API server, about us.
FAIL_OPEN = "apiserver_admission_webhook_fail_open_count"
AUDIT_ERRORS = "apiserver_audit_error_total"
FOREIGN = {FAIL_OPEN: "name", AUDIT_ERRORS: "plugin"}


def alerts() -> list[dict[str, Any]]:
    (rules,) = yaml.safe_load_all((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


def series() -> dict[str, set[str]]:
    """Every name that a query may have, with its labels."""
    found = {}
    for each in MEASURES:
        names = (
            [f"{each.name}_{end}" for end in ("bucket", "count", "sum")] if each.kind == "histogram" else [each.name]
        )
        found |= {name: {*each.labels, *(("le",) if name.endswith("_bucket") else ())} for name in names}
    return found


def named(query: str) -> set[str]:
    return set(re.findall(r"\b(?:sidecar|apiserver)_\w+", query))


def test_the_table_has_every_metric_and_no_other() -> None:
    table = DOCUMENT[DOCUMENT.index("| name |") : DOCUMENT.index("## Labels")].strip().splitlines()[2:]
    told = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table]
    assert told == [
        (f"`{each.name}`", each.kind, ", ".join(f"`{label}`" for label in each.labels), each.says) for each in MEASURES
    ]


def test_every_label_is_explained() -> None:
    labels = {label for each in MEASURES for label in each.labels}
    explained = DOCUMENT.partition("## Labels")[2].partition("\n## ")[0]
    assert labels <= set(re.findall(r"^\| `(\w+)`", explained, re.MULTILINE))
    assert {name for name in (*LOSSES, *ANOMALIES) if f"`{name}`" not in DOCUMENT} == set()


def test_each_anomaly_that_makes_a_ledger_incomplete_is_counted_explained_and_alerts() -> None:
    (incomplete,) = re.findall(r"WHERE kind IN \(([^)]+)\)", COUNT_ANOMALIES)
    kinds = set(re.findall(r"\w+", incomplete))
    assert kinds
    assert kinds <= set(ANOMALIES)
    matched = (told for rule in alerts() for told in re.findall(r'kind=~"([^"]+)"', rule["expr"]))
    alerting = {kind for told in matched for kind in told.split("|")}
    assert kinds <= alerting
    assert {kind for kind in kinds if f"`{kind}`" not in RUNBOOK} == set()


def test_every_reason_why_an_event_or_a_review_is_left_out_is_explained() -> None:
    for module, row in (("audit/reading.py", "audit_events_left_out"), ("admission.py", "admission_left_out")):
        code = (ROOT / "sidecar" / module).read_text(encoding="utf-8")
        reasons = set(re.findall(r'Left\("(\w+)"\)', code)) | set(re.findall(r'^    \("(\w+)", ', code, re.MULTILINE))
        (explained,) = (line for line in DOCUMENT.splitlines() if f"`reason` of `sidecar_{row}_total`" in line)
        assert len(reasons) > 3
        assert {reason for reason in reasons if f"`{reason}`" not in explained} == set()


def test_every_end_of_a_stream_is_counted_from_the_start() -> None:
    kinds = {kind.__name__.lower() for kind in Trouble.__args__ if kind is not Lost}
    assert {*kinds, *Lost.__annotations__["how"].__args__} == set(LOSSES)


def test_names_and_units_follow_the_conventions() -> None:
    for each in MEASURES:
        assert re.fullmatch(r"sidecar_[a-z_]+", each.name)
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name
        assert not re.search(r"milli|micro|minutes|_mb|_kb", each.name), each.name
        assert {"tenant", "name", "uid", "org", "user"}.isdisjoint(each.labels)


def test_every_query_names_metrics_and_labels_that_exist() -> None:
    known = series()
    expressions = [*queries(), *(rule["expr"] for rule in alerts())]
    assert len(expressions) > 40
    for query in expressions:
        names = named(query)
        assert names, query
        assert names <= {*known, *FOREIGN}, query
        ours = {label for name in names - {*FOREIGN} for label in known[name]}
        used = {label.strip() for labels in re.findall(r"by \((.*?)\)", query) for label in labels.split(",")}
        used |= set(re.findall(r"[{,]\s*(\w+)=", query))
        foreign = {label for name, label in FOREIGN.items() if name in names}
        assert used <= ours | {"namespace", "pod", "le"} | foreign, query


def test_what_is_measured_is_shown() -> None:
    shown = set().union(*map(named, queries()))
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} | shown
    # They say that a part stands still, which the panels show by its work; the first and the last are for alerts, the
    # second is for a person who looks.
    assert {each.name for each in MEASURES} - bases == {
        "sidecar_spool_writable",
        "sidecar_watch_connected",
        "sidecar_watch_paused",
    }


def test_the_webhook_is_called_in_queries_as_it_is_registered() -> None:
    for query in [*queries(), *(rule["expr"] for rule in alerts())]:
        if FAIL_OPEN in query:
            assert f'{FAIL_OPEN}{{name="{WEBHOOK}"}}' in query


def test_every_alert_says_what_it_means_and_has_an_entry_in_the_runbook() -> None:
    entries = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    names = {rule["alert"] for rule in alerts()}
    assert set(entries) == names
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        file, anchor = rule["annotations"]["runbook_url"].split("#")
        assert file == "docs/runbook.md"
        assert anchor == rule["alert"].lower()  # as GitHub and GitLab make it from the heading
    for entry in re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]:
        assert [
            word for word in ("**What it means.**", "**How to look.**", "**What to do.**") if word not in entry
        ] == []


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert taken.isdisjoint(cells), panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"]
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert {name for query in queries() for name in re.findall(r"\$(\w+)", query)} <= {*variables, "__rate_interval"}
