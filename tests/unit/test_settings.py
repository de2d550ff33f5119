"""The environment becomes one value, or one error that names everything wrong with it."""

import dataclasses
from pathlib import Path

import pytest

from sidecar.errors import Misconfigured
from sidecar.settings import Address, Settings

DATABASE = {"DATABASE_URL": "postgresql://portal:hunter2@db.example/portal"}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(Misconfigured) as raised:
        Settings.from_environment(environ)
    return str(raised.value).splitlines()[1:]


def test_without_anything_else_the_defaults_are_the_documented_ones():
    settings = Settings.from_environment(DATABASE)
    assert settings.database_url.reveal() == DATABASE["DATABASE_URL"]
    values = {each.name: getattr(settings, each.name) for each in dataclasses.fields(settings)}
    del values["database_url"]
    assert values == {
        "spool": Path("/var/lib/sidecar/spool.db"),
        "spool_max_bytes": 1024 * 1024 * 1024,
        "group": "pieced.ch",
        "version": "v1alpha1",
        "plural": "piecedtenants",
        "org_label": "pieced.ch/zitadel-org-id",
        "bootstrap": "backfill",
        "resync_seconds": 1200,
        "http": Address("0.0.0.0", 8080),  # noqa: S104 - in a pod, kubelet and the API server come from outside
        "https": Address("0.0.0.0", 8443),  # noqa: S104 - the same
        "tls_cert": Path("/etc/sidecar/tls/tls.crt"),
        "tls_key": Path("/etc/sidecar/tls/tls.key"),
        "audit_token_file": None,
        "admin_token_file": None,
        "admin_audience": "pieced-billing",
        "log": None,
        "log_level": "info",
        "kubeconfig": None,
    }


def test_every_variable_is_read_into_its_field():
    given = DATABASE | {
        "SIDECAR_SPOOL": "/data/s.db",
        "SIDECAR_SPOOL_MAX_MB": "64",
        "SIDECAR_GROUP": "example.org",
        "SIDECAR_VERSION": "v1",
        "SIDECAR_PLURAL": "things",
        "SIDECAR_ORG_LABEL": "org",
        "SIDECAR_BOOTSTRAP": "auto",
        "SIDECAR_RESYNC_SECONDS": "600",
        "SIDECAR_HTTP": "127.0.0.1:0",
        "SIDECAR_HTTPS": "[::]:9443",
        "SIDECAR_TLS_CERT": "/c",
        "SIDECAR_TLS_KEY": "/k",
        "SIDECAR_AUDIT_TOKEN_FILE": "/a",
        "SIDECAR_ADMIN_TOKEN_FILE": "/b",
        "SIDECAR_ADMIN_AUDIENCE": "us",
        "SIDECAR_LOG": "console",
        "SIDECAR_LOG_LEVEL": "debug",
        "KUBECONFIG": "/kube",
    }
    assert set(given) == {each.metadata["variable"] for each in dataclasses.fields(Settings)}
    settings, defaults = Settings.from_environment(given), Settings.from_environment(DATABASE)
    unread = [
        each.name
        for each in dataclasses.fields(Settings)
        if each.name != "database_url" and getattr(settings, each.name) == getattr(defaults, each.name)
    ]
    assert unread == []
    assert settings.spool_max_bytes == 64 * 1024 * 1024
    assert settings.http == Address("127.0.0.1", 0)
    assert settings.https == Address("::", 9443)


def test_every_field_says_its_variable_its_default_and_its_meaning():
    for each in dataclasses.fields(Settings):
        assert each.metadata["variable"]
        assert each.metadata["meaning"]
        default = each.metadata["default"]
        environ = DATABASE if default in (None, "required") else DATABASE | {each.metadata["variable"]: default}
        value = getattr(Settings.from_environment(DATABASE), each.name)
        assert str(getattr(Settings.from_environment(environ), each.name)) == str(value)


def test_a_variable_that_is_empty_counts_as_not_set():
    settings = Settings.from_environment(DATABASE | {"SIDECAR_AUDIT_TOKEN_FILE": "", "SIDECAR_HTTP": ""})
    assert (settings.audit_token_file, settings.http.port) == (None, 8080)


def test_all_problems_are_reported_at_once():
    found = problems({"SIDECAR_SPOOL_MAX_MB": "lots", "SIDECAR_HTTP": "8080", "SIDECAR_SPOOLL": "/x", "HOME": "/"})
    assert [each.split(":")[0] for each in found] == [
        "- DATABASE_URL",
        "- SIDECAR_SPOOL_MAX_MB",
        "- SIDECAR_HTTP",
        "- SIDECAR_SPOOLL",
    ]
    assert "did you mean SIDECAR_SPOOL?" in found[-1]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATABASE_URL", "mysql://db"),
        ("SIDECAR_SPOOL_MAX_MB", "31"),
        ("SIDECAR_SPOOL_MAX_MB", "-1"),
        ("SIDECAR_SPOOL_MAX_MB", "1e3"),
        ("SIDECAR_SPOOL_MAX_MB", "9" * 5000),
        ("SIDECAR_GROUP", "Pieced_ch"),
        ("SIDECAR_VERSION", "v1/alpha"),
        ("SIDECAR_PLURAL", "../secrets"),
        ("SIDECAR_ORG_LABEL", "a/b/c"),
        ("SIDECAR_BOOTSTRAP", "Auto"),
        ("SIDECAR_RESYNC_SECONDS", "0"),
        ("SIDECAR_RESYNC_SECONDS", "1.5"),
        ("SIDECAR_HTTP", "8080"),
        ("SIDECAR_HTTP", "localhost"),
        ("SIDECAR_HTTP", "0.0.0.0:99999"),
        ("SIDECAR_HTTP", "::8080:"),
        ("SIDECAR_HTTP", "[::]8080"),
        ("SIDECAR_ADMIN_AUDIENCE", "two words"),
        ("SIDECAR_LOG", "xml"),
        ("SIDECAR_LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_is_a_problem_that_names_its_variable(variable, text):
    (found,) = problems(DATABASE | {variable: text})
    assert found.startswith(f"- {variable}: ")


def test_two_servers_on_one_address_are_a_problem():
    (found,) = problems(DATABASE | {"SIDECAR_HTTP": "[::]:8443", "SIDECAR_HTTPS": "[::]:8443"})
    assert "same address" in found


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_misspelt_setting():
    links = {
        "SIDECAR_SERVICE_HOST": "10.0.0.7",
        "SIDECAR_SERVICE_PORT": "8443",
        "SIDECAR_SERVICE_PORT_HTTPS": "8443",
        "SIDECAR_PORT": "tcp://10.0.0.7:8443",
        "SIDECAR_PORT_8443_TCP": "tcp://10.0.0.7:8443",
        "SIDECAR_PORT_8443_TCP_PROTO": "tcp",
        "SIDECAR_PORT_8443_TCP_PORT": "8443",
        "SIDECAR_PORT_8443_TCP_ADDR": "10.0.0.7",
        "SIDECAR_HOOK_SERVICE_HOST": "10.0.0.8",
        "SIDECAR_HOOK_PORT": "tcp://10.0.0.8:8443",
    }
    assert Settings.from_environment(DATABASE | links).group == "pieced.ch"
    del links["SIDECAR_SERVICE_HOST"]
    assert "- SIDECAR_PORT: there is no such setting" in "\n".join(problems(DATABASE | links))


def test_a_command_that_needs_no_database_runs_without_its_address():
    assert not Settings.from_environment({}, needs_database=False).database_url


def test_the_password_of_the_database_shows_in_no_text_of_the_settings():
    settings = Settings.from_environment(DATABASE)
    assert "hunter2" not in repr(settings) + str(settings) + f"{settings.database_url}"
    refused = problems({"DATABASE_URL": "mysql://portal:hunter2@db", "SIDECAR_LOG": "xml"})
    assert "hunter2" not in "\n".join(refused)
