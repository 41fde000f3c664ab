"""Whether a connection is encrypted where it leaves this machine."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from reload_assets.preflight.finding import Finding, found


def look_at_encryption(place: str, login: str, host: str, *, encrypted: bool, fix: str) -> Iterator[Finding]:
    """Yield a warning for a connection that others on the network could read. ``host`` is that of the server."""
    if not encrypted and not is_local(host):
        yield found("not-encrypted", place, f"{place}: the connection to {login} is not encrypted", fix)


def is_local(host: str) -> bool:
    """Return whether a host is this machine itself, by its name or address, or a folder of sockets."""
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
