"""Whether an address can only mean this machine: what is open there alone, and what may go there unencrypted."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port and brackets, can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
