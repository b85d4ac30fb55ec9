"""Who may have a connection: bounds on how many there are, in all and for one address."""

import threading
from collections import Counter
from ipaddress import IPv6Address, ip_address


class Admission:
    """Counts open connections.

    most         in all
    per_address  for one address, None for any number; loopback is exempt, because proxies come from there
    threads      any
    """

    def __init__(self, most: int, per_address: int | None) -> None:
        self._most = most
        self._per_address = per_address
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def admit(self, address: str) -> bool:
        """Count a connection from `address`; False, and nothing counted, when there are too many already."""
        bounded = self._per_address is not None and not _is_loopback(address)
        with self._lock:
            if self._open.total() >= self._most or (bounded and self._open[address] >= (self._per_address or 0)):
                return False
            self._open[address] += 1
            return True

    def forget(self, address: str) -> None:
        """A connection from `address` that was admitted is closed."""
        with self._lock:
            self._open[address] -= 1
            if self._open[address] <= 0:
                del self._open[address]


def _is_loopback(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped.is_loopback
    return ip.is_loopback
