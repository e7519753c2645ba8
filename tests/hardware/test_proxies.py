"""Proxies of the environment."""

import socket
from urllib.request import proxy_bypass_environment

import pytest

from lookahead_ray.hardware.proxies import exempt_loopback, is_loopback, own_addresses


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_never_catches_this_machine(name: str) -> None:
    environ = {name: "http://proxy:3128", "no_proxy": "intranet"}
    exempt_loopback(environ)
    assert environ["no_proxy"] == environ["NO_PROXY"]
    proxies = {"http": "x", "no": environ["no_proxy"]}
    for host in ("127.0.0.1", "localhost", "intranet", "127.0.0.1:8265"):
        assert proxy_bypass_environment(host, proxies), host
    assert not proxy_bypass_environment("example.org", proxies)
    before = dict(environ)
    exempt_loopback(environ)
    assert environ == before


def test_the_machines_own_addresses_are_exempt() -> None:
    environ = {"http_proxy": "http://proxy:3128"}
    exempt_loopback(environ)
    assert set(own_addresses()) <= set(environ["no_proxy"].split(","))
    assert socket.gethostname() in own_addresses()


@pytest.mark.parametrize("environ", [{}, {"no_proxy": "intranet"}, {"http_proxy": "x", "no_proxy": "*"}])
def test_nothing_is_set_where_nothing_is_needed(environ: dict[str, str]) -> None:
    before = dict(environ)
    exempt_loopback(environ)
    assert environ == before


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.3.2.1", True),
        ("https://[::1]:80", True),
        ("http://LocalHost.:80", True),
        ("http://judge.localhost", True),
        ("http://10.0.0.1", False),
        ("http://example.org", False),
        ("nonsense", False),
    ],
)
def test_hosts_of_this_machine(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
