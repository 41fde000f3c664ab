"""Whether a connection leaves this machine."""

from __future__ import annotations

from ipaddress import ip_address


def is_local(host: str) -> bool:
    """Return whether a host is this machine itself, by its name or address, or a folder of sockets."""
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
