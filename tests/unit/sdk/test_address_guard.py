"""AddressGuard: no address that is not the vendor's is ever connected to, however it is spelled."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import product

import httpx
import pytest

from syncd.errors import ConfigError, ConnectorError
from syncd.sdk import AddressGuard, ApiClient, ConnectorContext
from syncd.sdk.guard import AddressRefusedError, is_public

SPECIAL = [
    # loopback, "this" network, private, shared, link-local
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
    "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.254", "100.64.0.1", "100.127.255.254",
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "169.254.169.123",
    # metadata and platform services on addresses that look ordinary
    "100.100.100.200", "192.0.0.192", "168.63.129.16",
    # protocol, documentation, benchmark, relay, multicast, reserved, broadcast
    "192.0.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.254", "192.88.99.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    # IPv6
    "::", "::1", "fe80::1", "fe80::1%eth0", "febf::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "100::1", "2001:db8::1", "3fff::1", "5f00::1", "2001:2::1", "2001:10::1", "64:ff9b:1::1",
    # IPv4 inside IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::7f00:1",
    "::ffff:0:127.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1", "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "64:ff9b::127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b::169.254.169.254", "64:ff9b::c0a8:101", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:a00:1",
    # no addresses at all
    "", "localhost", "999.1.1.1", "1.2.3", "0x7f.0.0.1", "::gggg",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "140.82.121.6", "101.226.4.6", "172.15.255.255", "172.32.0.1", "11.0.0.1",
    "100.63.255.255", "100.128.0.1", "169.253.255.255", "2606:4700::1111", "2a00:1450:4001:80b::200e",
    "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2002:808:808::1",
]  # fmt: skip

# How a person or a vendor's answer may spell a machine of ours; {p} is the port of the canary.
HOSTS = [
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001",
    "0x7F.0x0.0x0.0x1", "0x7f.1", "017700000001", "0177.0.0.1", "0177.0.0.0x1", "00177.0.0.1", "0", "0.0.0.0", "0x0",
    "127.127.127.127", "127.000.000.001", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[fe80::1%25lo]", "[::1%25lo]", "[fd00::1]", "169.254.169.254", "2852039166", "0xA9FEA9FE",
    "0251.0376.0251.0376", "100.100.100.200", "10.0.0.1", "192.168.0.1", "172.16.0.1", "[fd00:ec2::254]",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７．０．０．１", "loc\u00adalhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127.0.0.1%00.example.com",
    "127.0.0.1%2f.example.com", "%31%32%37.0.0.1",
]  # fmt: skip
SPELLINGS = [
    "http://{h}:{p}/x",
    "http://api.vendor.example@{h}:{p}/x",
    "http://api.vendor.example:secret@{h}:{p}/x",
    "http://{h}:{p}#@api.vendor.example/x",
    "HTTP://{h}:{p}/x",
]
TRICKS = [
    "http://127.0.0.1:{p}\\@api.vendor.example/x",
    "http://api.vendor.example\\@127.0.0.1:{p}/x",
    "http://api.vendor.example&@127.0.0.1:{p}/x",
    "http:/127.0.0.1:{p}/x",
    "http:///127.0.0.1:{p}/x",
    "http:127.0.0.1:{p}/x",
    "//127.0.0.1:{p}/x",
    "http://127.0.0.1:{p}?@api.vendor.example/",
    "http://[::1]:{p}/x",
    " http://127.0.0.1:{p}/x",
    "http://127.0.0.1\t:{p}/x",
    "http://127.0.0.1\r\n:{p}/x",
    "ftp://127.0.0.1:{p}/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{p}/x",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "http://",
    "",
    "http://127.0.0.1:99999999/x",
    "http://127.0.0.1:{p}:80/x",
]
ATTACKS = [spelling.replace("{h}", host) for spelling, host in product(SPELLINGS, HOSTS)] + TRICKS


class Canary:
    """A loopback server that must stay silent: it counts who connects."""

    def __init__(self) -> None:
        self.reached = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            line, _ = self.socket.accept()
            with line:
                if line.recv(1) != b"q":
                    self.reached += 1
                    continue
                return

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as line:
            line.sendall(b"q")
        self._thread.join(5.0)
        self.socket.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    server = Canary()
    yield server
    server.close()


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 200


@pytest.mark.parametrize("address", SPECIAL)
def test_special_address_is_not_public(address: str) -> None:
    assert is_public(address) is False


@pytest.mark.parametrize("address", PUBLIC)
def test_ordinary_address_is_public(address: str) -> None:
    assert is_public(address) is True


def test_no_attack_reaches_the_canary(canary: Canary) -> None:
    answered = []

    for attack in ATTACKS:
        try:
            _client(attack.replace("{p}", str(canary.port))).get("/x")
        except ConfigError:
            continue
        except ConnectorError:
            pass
        answered.append(attack)

    assert (canary.reached, answered) == (0, [])


def test_https_is_guarded_like_http(canary: Canary) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433", "[::1]"):
        with pytest.raises(ConfigError, match="address refused"):
            _client(f"https://{host}:{canary.port}").get("/x")

    assert canary.reached == 0


def test_refusal_reads_the_same_whatever_stands_behind_the_address(canary: Canary) -> None:
    texts = set()

    for port in (canary.port, 1, 65535):
        with pytest.raises(ConfigError) as caught:
            _client(f"https://127.0.0.1:{port}").get("/x")
        texts.add(str(caught.value))

    refusal = "address refused; name the host under allow_private_hosts of the connection if it is yours"
    assert texts == {f"connections.connection: 127.0.0.1: {refusal}"}


def test_one_bad_address_among_good_ones_refuses_them_all() -> None:
    guard = AddressGuard(resolve=lambda host, port: ["93.184.216.34", "127.0.0.1"])

    with pytest.raises(AddressRefusedError):
        guard.addresses("vendor.example", 443)


def test_name_without_addresses_is_refused() -> None:
    with pytest.raises(AddressRefusedError):
        AddressGuard(resolve=lambda host, port: []).addresses("vendor.example", 443)


def test_rebinding_wins_nothing_since_the_name_is_resolved_once(canary: Canary) -> None:
    answers = iter([["127.0.0.1"], ["93.184.216.34"], ["127.0.0.1"]])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with pytest.raises(ConfigError, match="address refused"):
        _client(f"https://vendor.example:{canary.port}", AddressGuard(resolve=resolve)).get("/x")

    assert asked == ["vendor.example"]
    assert canary.reached == 0


@pytest.mark.parametrize("name", ["crm.house", "CRM.House", "crm.house.", "CRM.HOUSE."])
def test_host_of_the_house_is_allowed_by_name(name: str) -> None:
    guard = AddressGuard(private_hosts=frozenset({name}), resolve=lambda host, port: ["10.1.2.3"])

    assert guard.addresses("crm.house", 443) == ["10.1.2.3"]
    assert guard.addresses("Crm.House.", 443) == ["10.1.2.3"]


@pytest.mark.parametrize("name", ["crm.house.evil.example", "evilcrm.house", "house", "sub.crm.house"])
def test_allowed_name_is_matched_whole(name: str) -> None:
    guard = AddressGuard(private_hosts=frozenset({"crm.house"}), resolve=lambda host, port: ["10.1.2.3"])

    with pytest.raises(AddressRefusedError):
        guard.addresses(name, 443)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0"]
)
def test_allowed_name_does_not_lead_to_a_clouds_metadata(address: str) -> None:
    guard = AddressGuard(private_hosts=frozenset({"crm.house"}), resolve=lambda host, port: [address])

    with pytest.raises(AddressRefusedError):
        guard.addresses("crm.house", 80)


def test_special_address_itself_can_be_allowed() -> None:
    guard = AddressGuard(private_hosts=frozenset({"169.254.7.7"}), resolve=lambda host, port: ["169.254.7.7"])

    assert guard.addresses("169.254.7.7", 80) == ["169.254.7.7"]


def test_name_that_no_resolver_takes_is_a_clear_error() -> None:
    with pytest.raises(ConnectorError, match="cannot reach"):
        _client(f"https://{'a' * 64}.example", AddressGuard()).get("/x")


def test_proxy_of_the_environment_is_ignored(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    guard = AddressGuard(resolve=lambda host, port: ["127.0.0.1"])

    with pytest.raises(ConfigError, match="address refused"):
        _client("https://vendor.example", guard).get("/x")

    assert canary.reached == 0


def _client(url: str, guard: AddressGuard | None = None) -> ApiClient:
    context = ConnectorContext(guard=guard or AddressGuard(resolve=_literal), wait=lambda seconds: None)
    return ApiClient(url.replace("http://", "https://", 1) if url.startswith("http://") else url, context, attempts=1)


def _literal(host: str, port: int) -> list[str]:
    """Resolve as the machine does for spellings of addresses; any other name is the canary's, to be hard on us."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


def test_urls_of_the_table_are_parsed_like_the_client_does() -> None:
    assert httpx.URL("http://api.vendor.example@127.0.0.1:80/x").host == "127.0.0.1"
