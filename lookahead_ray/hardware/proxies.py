"""Proxies of the environment, which must not catch connections within this machine."""

import os
import socket
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1", "127.0.0.0/8", ".localhost", "0.0.0.0")  # noqa: S104  # not bound
VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


def exempt_loopback(environ: MutableMapping[str, str] = os.environ) -> None:
    """Add this machine to NO_PROXY where a proxy is set.

    Ray's processes call each other at the machine's own address, through a proxy that would fail. Ray's job
    client, MLflow and the hub's client read that variable, and so do the processes that Ray starts.
    """
    if not any(environ.get(form) for name in VARIABLES for form in (name, name.upper())):
        return
    names = ("no_proxy", "NO_PROXY")
    given = ",".join(filter(None, (environ.get(name) for name in names)))
    entries = dict.fromkeys(part.strip() for part in given.split(",") if part.strip())
    if "*" in entries:
        return
    entries |= dict.fromkeys([*LOOPBACK, *own_addresses()])
    for name in names:  # libraries differ in the form that they read first
        environ[name] = ",".join(entries)


def own_addresses() -> Iterator[str]:
    """Yield the machine's name, and the addresses from which it would reach others; nothing is sent."""
    yield socket.gethostname()
    for family, other in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((other, 9))  # for documentation only: no such host exists
            yield probe.getsockname()[0]
    with suppress(OSError):
        yield socket.gethostbyname(socket.gethostname())


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified
