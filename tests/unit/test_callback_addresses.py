"""Which URLs a host calls for others, and which addresses are those of the networks around it."""

from __future__ import annotations

import pytest

from funchost.bindings.errors import BindingError
from funchost.host.callers.addresses import Destinations, checked_url, is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        # Those of IPv4 within IPv6: mapped, compatible, 6to4, NAT64.
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "not an address",
        "",
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "HTTPS://example.com:8443/a?b=c#d",
        "http://[2606:4700::1111]/",
        "http://u:p@a.b/",
    ],
)
def test_http_urls_can_be_called(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://",
        "http:///path",
        "http://[::1",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://example.com/\r\nX-Evil: yes",
        "http://example.com/a b",
        "http://exämple.com/",
        "http://example.com/" + "a" * 2048,
    ],
)
def test_other_urls_cannot(url: str) -> None:
    with pytest.raises(BindingError, match="http or https URL"):
        checked_url(url)


def test_hosts_that_are_named_may_be_anywhere() -> None:
    destinations = Destinations(" worker.internal, 10.1.2.3 ,")
    assert destinations.allow_any_address("WORKER.internal")
    assert destinations.allow_any_address("10.1.2.3")
    assert not destinations.allow_any_address("other.internal")
    assert not destinations.allow_any_address("")
    assert not Destinations(None).allow_any_address("localhost")
    assert Destinations("*").allow_any_address("localhost")
    assert Destinations(None, everywhere=True).allow_any_address("localhost")
