"""The host's id: functions-semantics 3.5."""

from __future__ import annotations

from pathlib import Path

from funchost.host.config.host_id import host_id
from funchost.host.config.settings import AppSettings

ROOT = Path("/home/ada/app")


def settings(**values: str) -> AppSettings:
    folded = {name.lower(): text for name, text in values.items()}
    return AppSettings(values, _index=folded)


def test_an_id_is_made_of_the_machine_and_the_root_and_stays_the_same() -> None:
    # By hand: 23, then 31 times the value plus the character, in 32 bits with sign, without the sign.
    value = 23
    for char in str(ROOT):
        value = (value * 31 + ord(char)) % 2**32
    number = abs(value - 2**32 if value >= 2**31 else value)

    assert host_id(settings(), ROOT, "Ada-s.Laptop") == f"adaslaptop-{number}"
    assert host_id(settings(), ROOT / "other", "Ada-s.Laptop") != f"adaslaptop-{number}"


def test_an_id_has_at_most_32_characters_and_no_dash_at_its_end() -> None:
    assert host_id(settings(), ROOT, "m" * 31) == "m" * 31
    assert host_id(settings(), ROOT, "m" * 40) == "m" * 32


def test_a_setting_gives_the_id() -> None:
    assert host_id(settings(AzureFunctionsWebHost__hostid="mine"), ROOT) == "mine"


def test_in_app_service_the_id_is_the_slots_name() -> None:
    site = {"WEBSITE_INSTANCE_ID": "1", "WEBSITE_SITE_NAME": "My-Site"}

    assert host_id(settings(**site), ROOT) == "my-site"
    assert host_id(settings(**site, WEBSITE_SLOT_NAME="Production"), ROOT) == "my-site"
    assert host_id(settings(**site, WEBSITE_SLOT_NAME="Staging"), ROOT) == "my-site-staging"
    assert host_id(settings(WEBSITE_SITE_NAME="My-Site"), ROOT) != "my-site"
