"""The environment of functions beside an emulator: no AWS client of theirs leads to anybody's account."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from funchost.bindings.errors import ConfigurationError
from funchost.host.cli.emulator import emulator
from funchost.host.configuration import Configuration, HostOptions
from funchost.host.emulator.environment import emulated_environment
from funchost.host.emulator.process import EmulatorProcess

URL = "http://127.0.0.1:4566"


def test_clients_lead_to_the_emulator_with_made_up_credentials() -> None:
    environment = emulated_environment({"HOME": "/home/a", "AWS_ACCESS_KEY_ID": "real"}, URL)
    assert environment["HOME"] == "/home/a"
    assert environment["AWS_ENDPOINT_URL"] == URL
    assert environment["AWS_ACCESS_KEY_ID"] == environment["AWS_SECRET_ACCESS_KEY"] == "emulator"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ],
)
def test_what_would_lead_elsewhere_is_left_out(name: str) -> None:
    assert name not in emulated_environment({name: "real"}, URL)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_that_was_named_stays(name: str) -> None:
    environment = emulated_environment({name: "eu-west-1"}, URL)
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_a_proxy_is_not_for_the_emulator() -> None:
    environment = emulated_environment({"HTTP_PROXY": "http://proxy:3128", "no_proxy": "internal"}, URL)
    assert environment["no_proxy"] == "internal,127.0.0.1"
    assert environment["NO_PROXY"] == "127.0.0.1"
    assert "NO_PROXY" not in emulated_environment({}, URL)


def test_workers_get_it_whatever_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(
        '{"Values": {"AWS_PROFILE": "prod", "AWS_REGION": "eu-north-1"}}'
    )
    options = HostOptions(root=tmp_path, environ={"AWS_SESSION_TOKEN": "real"}, emulator=URL)
    environment = Configuration(options).worker_settings.environment
    assert (environment["AWS_ENDPOINT_URL"], environment["AWS_REGION"]) == (URL, "eu-north-1")
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environment.keys()


def test_without_moto_it_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> object:
        return None if name == "moto" else name

    monkeypatch.setattr("importlib.util.find_spec", found)
    with pytest.raises(ConfigurationError, match=r"pip install funchost\[emulator\]"):
        EmulatorProcess(environ={})
    result = CliRunner().invoke(emulator, ["aws"])
    assert isinstance(result.exception, ConfigurationError)


def test_without_an_emulator_workers_get_the_environment_as_it_is(tmp_path: Path) -> None:
    options = HostOptions(root=tmp_path, environ={"AWS_PROFILE": "mine"})
    environment = Configuration(options).worker_settings.environment
    assert environment["AWS_PROFILE"] == "mine"
    assert "AWS_ENDPOINT_URL" not in environment
