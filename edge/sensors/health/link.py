"""The link: what kind of network the default route takes, and how strong the Wi-Fi is."""

from dataclasses import dataclass
from pathlib import Path

from edge.sensors.health.reading import Reading, missing

_DEFAULT_ROUTE = "00000000"


@dataclass(frozen=True)
class Link:
    """Kind of the link ("wifi", "ethernet", "cellular", "none") and its signal in dBm."""

    kind: Reading[str]
    rssi_dbm: Reading[float]


def read_link(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Link:
    """The link of the default route (IPv4 first, then IPv6)."""
    try:
        interface = default_interface(proc)
    except OSError as error:
        reason = f"can't read the routes: {error.strerror}"
        return Link(missing(reason), missing(reason))
    if interface is None:
        return Link(Reading("none"), missing("there is no default route"))
    kind = interface_kind(interface, sys)
    if kind != "wifi":
        return Link(Reading(kind), missing(f"{interface} is {kind}, not Wi-Fi"))
    return Link(Reading(kind), wifi_rssi_dbm(interface, proc))


def default_interface(proc: Path) -> str | None:
    """The interface of the default route with the lowest metric; None without one."""
    routes = [
        (int(fields[6]), fields[0])
        for fields in _rows(proc / "net/route")[1:]
        if fields[1] == _DEFAULT_ROUTE and fields[7] == _DEFAULT_ROUTE
    ]
    if not routes and (proc / "net/ipv6_route").exists():
        routes = [
            (int(fields[5], 16), fields[9])
            for fields in _rows(proc / "net/ipv6_route")
            if fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo"
        ]
    return min(routes)[1] if routes else None


def interface_kind(interface: str, sys: Path) -> str:
    """ "wifi", "cellular" or "ethernet", by what the kernel says of the device."""
    device = sys / "class/net" / interface
    uevent = device / "uevent"
    said = uevent.read_text() if uevent.exists() else ""
    if (device / "wireless").exists() or "DEVTYPE=wlan" in said:
        return "wifi"
    if "DEVTYPE=wwan" in said or interface.startswith(("wwan", "ppp")):
        return "cellular"
    return "ethernet"


def wifi_rssi_dbm(interface: str, proc: Path) -> Reading[float]:
    """Signal level of a Wi-Fi interface from /proc/net/wireless."""
    table = proc / "net/wireless"
    if not table.exists():
        return missing("this kernel has no /proc/net/wireless")
    for fields in _rows(table)[2:]:
        if fields[0] == f"{interface}:":
            return Reading(float(fields[3].rstrip(".")))
    return missing(f"/proc/net/wireless does not list {interface}")


def _rows(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if line.strip()]
