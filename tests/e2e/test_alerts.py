"""The alerts and the dashboard's queries, judged by Prometheus' own promtool."""

import json
from pathlib import Path

import yaml

from tests.support.manifests import MANIFESTS
from tests.support.promtool import promtool

MONITORING = MANIFESTS / "components" / "monitoring"
TESTS = Path(__file__).parents[1] / "data" / "alerts.yaml"


def rules(folder: Path) -> None:
    """The rules as Prometheus reads them, without the operator's object around them."""
    (given,) = yaml.safe_load_all((MONITORING / "alerts.yaml").read_text())
    (folder / "rules.yaml").write_text(yaml.safe_dump(given["spec"]))


def test_the_rules_are_valid(tmp_path: Path):
    rules(tmp_path)
    said = promtool("check", "rules", "--lint-fatal", "rules.yaml", folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path):
    rules(tmp_path)
    (tmp_path / "tests.yaml").write_text(TESTS.read_text())
    said = promtool("test", "rules", "tests.yaml", folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr


def test_no_alert_is_without_a_test():
    (given,) = yaml.safe_load_all((MONITORING / "alerts.yaml").read_text())
    names = {rule["alert"] for group in given["spec"]["groups"] for rule in group["rules"]}
    assert [
        name
        for name in names
        if f"alertname: {name}" not in TESTS.read_text() and f'alertname="{name}"' not in TESTS.read_text()
    ] == []


def test_the_dashboards_queries_are_valid(tmp_path: Path):
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    recorded = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m").replace('"$namespace"', '".*"')}
        for number, expr in enumerate(queries)
    ]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    said = promtool("check", "rules", "queries.yaml", folder=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
