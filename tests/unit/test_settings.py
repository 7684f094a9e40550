import json
from pathlib import Path
from typing import Any

import pytest

from funchost.bindings.aws.settings import AwsSettings, aws_settings
from funchost.host.config.settings import AppSettings, Settings


def load(root: Path, content: dict[str, Any] | str | None = None, **environ: str) -> AppSettings:
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        (root / "local.settings.json").write_text(text, encoding="utf-8")
    return AppSettings.load(root, environ)


def test_without_a_file_the_environment_is_all(tmp_path: Path) -> None:
    app = load(tmp_path, A="1")
    assert (app.get("A"), app.get("B"), app.problems, app.environment()) == ("1", None, (), {"A": "1"})


def test_settings_are_found_in_any_case_and_with_either_separator(tmp_path: Path) -> None:
    app = load(tmp_path, {"values": {"A:B": "1", "c__D": "2"}})
    assert (app.get("a__b"), app.get("A:B"), app.get("C:d")) == ("1", "1", "2")


def test_the_environment_wins_and_what_is_skipped_is_listed(tmp_path: Path) -> None:
    app = load(
        tmp_path, {"IsEncrypted": False, "Values": {"A": "file", "b": "file", "C": ""}}, A="env", B="env"
    )
    assert (app.get("A"), app.get("b"), app.get("C")) == ("env", "env", "")
    assert app.skipped == ("A", "b")
    assert app.environment() == {"A": "env", "B": "env", "C": ""}


def test_values_become_text_and_what_cannot_is_told(tmp_path: Path) -> None:
    app = load(
        tmp_path,
        {"Values": {"n": 5, "t": True, "null": None, "": "x", "o": {"a": 1}, "x=y": "1", "z": "a\0"}},
    )
    assert app.environment() == {"n": "5", "t": "true"}
    assert [each.key for each in app.problems] == ["Values.o", "Values.x=y", "Values.z"]
    assert {each.severity for each in app.problems} == {"warning"}


def test_connection_strings_are_exported(tmp_path: Path) -> None:
    app = load(
        tmp_path, {"ConnectionStrings": {"db": "x", "two": {"ConnectionString": "y", "ProviderName": "p"}}}
    )
    assert (app.get("ConnectionStrings:db"), app.get("ConnectionStrings__two")) == ("x", "y")


def test_encrypted_settings_are_refused_with_what_to_do(tmp_path: Path) -> None:
    app = load(tmp_path, {"IsEncrypted": True, "Values": {"A": "secret"}})
    assert app.get("A") is None
    (problem,) = app.problems
    assert (problem.file, problem.key, problem.severity) == ("local.settings.json", "IsEncrypted", "error")
    assert "func settings decrypt" in (problem.fix or "")


def test_a_broken_file_is_told_and_counts_as_empty(tmp_path: Path) -> None:
    app = load(tmp_path, '{"Values": {"A": "1"', A="env")
    assert app.environment() == {"A": "env"}
    assert app.problems[0].line == 1


def test_the_host_part_is_read_and_checked(tmp_path: Path) -> None:
    app = load(
        tmp_path, {"Host": {"localHttpPort": "7072", "CORS": "*", "CORSCredentials": True, "LocalHttpPrt": 1}}
    )
    assert (app.host.LocalHttpPort, app.host.CORS, app.host.CORSCredentials) == (7072, "*", True)
    assert app.host.LocalHttpAddress is None
    assert app.problems[0].fix == "Did you mean Host.LocalHttpPort?"


@pytest.mark.parametrize("text", ["", "UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;", None])
def test_an_absent_or_development_connection_is_the_embedded_store(tmp_path: Path, text: str | None) -> None:
    app = load(tmp_path, {"Values": {"AzureWebJobsStorage": text}})
    connection = app.connection("")
    assert (connection.kind, connection.message, connection.usable) == ("embedded", None, True)
    assert app.connection("AzureWebJobsStorage").message is None


def test_a_connection_is_looked_up_with_its_prefix_first(tmp_path: Path) -> None:
    app = load(
        tmp_path,
        {"Values": {"AzureWebJobsMine": "", "Mine": "AccountName=a", "AzureWebJobsOther": "AccountName=b"}},
    )
    assert app.connection("mine").kind == "embedded"
    assert app.connection("Other").setting == "AzureWebJobsOther"


def test_a_connection_string_goes_before_a_plain_setting(tmp_path: Path) -> None:
    app = load(tmp_path, {"Values": {"Mine": ""}, "ConnectionStrings": {"Mine": "AccountName=a"}})
    assert app.connection("Mine").kind == "azure"


def test_a_connection_whose_setting_is_missing_is_told_and_embedded(tmp_path: Path) -> None:
    connection = load(tmp_path).connection("Orders")
    assert (connection.kind, connection.setting) == ("embedded", None)
    assert "'Orders' does not exist" in (connection.message or "")


@pytest.mark.parametrize(
    "values",
    [
        {"C": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b=="},
        {"C__queueServiceUri": "https://a"},
        {"C:accountName": "a"},
        {"C": "hello"},
    ],
)
def test_connections_to_azure_are_known_but_not_supported(tmp_path: Path, values: dict[str, str]) -> None:
    connection = load(tmp_path, {"Values": values}).connection("C")
    assert (connection.kind, connection.usable) == ("azure", False)
    assert "knows only the embedded store and AWS" in (connection.message or "")


@pytest.mark.parametrize(
    "values",
    [
        {"C__provider": "aws", "C__region": "eu"},
        {"C": "provider=AWS;region=eu"},
        {"C:Provider": "aws", "C:Region": "eu"},
    ],
)
def test_a_connection_whose_provider_is_aws_leads_there(tmp_path: Path, values: dict[str, str]) -> None:
    connection = load(tmp_path, {"Values": values}).connection("C")
    assert (connection.kind, connection.usable, connection.message) == ("aws", True, None)
    assert connection.settings
    assert aws_settings(connection.settings) == AwsSettings(name="C", region="eu")


def test_all_settings_of_a_connection_to_aws_are_read(tmp_path: Path) -> None:
    values = {
        "AzureWebJobsC__provider": "aws",
        "AzureWebJobsC__endpointUrl": "http://127.0.0.1:5000",
        "AzureWebJobsC__profile": "dev",
        "AzureWebJobsC__bucket": "state",
        "AzureWebJobsC__bucketPrefix": "team-",
        "AzureWebJobsC__createBuckets": "true",
        "AzureWebJobsC__queuePrefix": "dev-",
        "AzureWebJobsC__createQueues": "true",
    }
    settings = load(tmp_path, {"Values": values}).connection("C").settings
    assert settings and settings.name == "C"
    assert aws_settings(settings) == AwsSettings(
        name="AzureWebJobsC",
        endpoint_url="http://127.0.0.1:5000",
        profile="dev",
        bucket="state",
        bucket_prefix="team-",
        create_buckets=True,
        queue_prefix="dev-",
        create_queues=True,
    )


@pytest.mark.parametrize(
    ("key", "value", "message", "fix"),
    [
        ("endpointUrls", "x", "'C__endpointurls' is not one", "Did you mean C__endpointUrl?"),
        ("colour", "x", "'C__colour' is not one", "There are: region, endpointUrl"),
        ("secretAccessKey", "hush", "holds a secret", "the environment, a profile, or a role"),
        ("endpointUrl", "localhost:5000", "is not a URL", "http://127.0.0.1:4566"),
        ("queuePrefix", "dev.", "cannot begin the name", "such as dev-"),
        ("bucketPrefix", "Dev-", "cannot begin the name", "lower-case"),
    ],
)
def test_a_connection_to_aws_that_is_set_wrongly_says_how_to_mend_it(
    tmp_path: Path, key: str, value: str, message: str, fix: str
) -> None:
    values = {"C__provider": "aws", f"C__{key}": value}
    connection = load(tmp_path, {"Values": values}).connection("C")
    assert not connection.usable
    assert message in (connection.message or "")
    assert fix in (connection.fix or "")
    assert "hush" not in repr(connection)


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    app = load(tmp_path, {"Values": {"C": "AccountName=a;AccountKey=hush"}})
    assert "hush" not in repr(app) + repr(app.connection("C"))


@pytest.mark.parametrize(
    ("text", "disabled"), [("1", True), ("TRUE", True), ("0", False), ("yes", False), ("", False)]
)
def test_a_setting_turns_a_function_off(tmp_path: Path, text: str, disabled: bool) -> None:
    assert load(tmp_path, None, **{"AzureWebJobs.Orders.Disabled": text}).disabled("orders") is disabled
    assert load(tmp_path, None, AzureWebJobs_Orders_Disabled=text).disabled("Orders") is disabled


def test_all_of_an_apps_configuration_is_loaded_together(tmp_path: Path) -> None:
    load(
        tmp_path,
        {
            "Values": {"AzureFunctionsJobHost__functions__0": "A", "AzureWebJobsStorage": "AccountName=a"},
            "x": 1,
        },
    )
    (tmp_path / "host.json").write_text("{}")
    settings = Settings.load(tmp_path, {})
    assert settings.host_json.functions == ["A"]
    assert settings.app.get("AzureWebJobsStorage") == "AccountName=a"
    assert [(each.file, each.key, each.severity) for each in settings.problems] == [
        ("local.settings.json", "x", "warning"),
        ("host.json", "version", "error"),
        (None, "AzureWebJobsStorage", "warning"),
    ]
