"""Where webhooks may go."""

from ipaddress import ip_address

import pytest

from api.schema import Submission
from api.settings import ApiSettings
from contract.addresses import EVERYWHERE, LOOPBACK, NONE, Reach, Target, is_public, literal, may_reach, parse_networks
from contract.errors import InvalidFieldsError
from worker.posting import NowhereError, reachable

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.1", "192.169.0.1", "100.63.0.1"),
    *("9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.1", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"),
)
SPECIAL = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1"),  # noqa: S104
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1"),
    *("192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1", "2001::1", "2001:10::1"),
    *("2002:7f00:1::", "3fff::1", "100::1", "5f00::1", "64:ff9b:1::1", "::127.0.0.1", "::ffff:127.0.0.1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a00:1", "4000::1"),
)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_reached_whatever_is_allowed(text: str) -> None:
    assert is_public(ip_address(text))
    assert may_reach(ip_address(text), NONE)


@pytest.mark.parametrize("text", SPECIAL)
def test_no_special_address_is_reached_unless_all_are(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not may_reach(ip_address(text), NONE)
    assert may_reach(ip_address(text), EVERYWHERE)


def test_an_operator_allows_networks_and_no_more() -> None:
    allowed = parse_networks("10.1.0.0/16, ::1")
    reached = {text for text in SPECIAL if may_reach(ip_address(text), allowed)}
    assert reached == {"::1"}
    assert may_reach(ip_address("10.1.2.3"), allowed)
    assert may_reach(ip_address("::ffff:10.1.2.3"), allowed)
    assert not may_reach(ip_address("10.2.0.1"), allowed)


@pytest.mark.parametrize(
    ("text", "networks"), [("none", NONE), ("NONE", NONE), ("allow", EVERYWHERE), (LOOPBACK, parse_networks(LOOPBACK))]
)
def test_the_setting_is_a_word_or_a_list(text: str, networks: object) -> None:
    assert parse_networks(text) == networks


@pytest.mark.parametrize("text", ["yes", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1", "example.com", "10.0.0.0/8,"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has to be none, allow, or networks"):
        parse_networks(text)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        *((host, "127.0.0.1") for host in ("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1")),
        *((host, "127.0.0.1") for host in ("127.0.0.1.", "localhost", "LOCALHOST.", "a.localhost")),
        ("0", "0.0.0.0"),  # noqa: S104
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_an_address_is_seen_in_every_spelling(host: str, address: str) -> None:
    assert literal(host) == ip_address(address)


@pytest.mark.parametrize("host", ["example.com", "1.2.3.4.example.com", "127.0.0.1.nip.io", "a", "-"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal(host) is None


@pytest.mark.parametrize(
    ("url", "authority", "path", "port"),
    [
        ("http://example.com", "example.com", "/", 80),
        ("https://example.com:443/a?b=c#d", "example.com", "/a?b=c", 443),
        ("https://example.com:8443/", "example.com:8443", "/", 8443),
        ("http://[2606:4700::1]:8080/x", "[2606:4700::1]:8080", "/x", 8080),
        ("http://bücher.example/ä%20b?ö=1", "xn--bcher-kva.example", "/%C3%A4%20b?%C3%B6=1", 80),
    ],
)
def test_a_url_leads_somewhere(url: str, authority: str, path: str, port: int) -> None:
    target = Target.of(url)
    assert (target.authority, target.path, target.port) == (authority, path, port)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.com", "http://", "http:///a", "http://example.com:0", "http://example.com:port", "http://[1"),
        *(
            "http://a@example.com",
            "http://a:b@example.com",
            "http://example.com@127.0.0.1",
            "here",
            "",
            "//example.com",
        ),
        *("http://exa mple.com", "http://example.com\r\nHost:x", "http://[fe80::1%25eth0]/", "http://\udc80.example"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"has to|may not"):
        Target.of(url)


def test_an_address_that_is_written_out_is_refused_without_asking_anybody() -> None:
    assert "127.0.0.1 is not a public address" in str(Target.of("http://2130706433/").refusal(NONE))
    assert Target.of("http://127.1/").refusal(parse_networks(LOOPBACK)) is None
    assert Target.of("http://example.com/").refusal(NONE) is None
    assert Target.of("http://8.8.8.8/").refusal(NONE) is None


WAYS_HOME = (
    *("http://127.0.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/"),
    *("http://0x7f.0.0.0x1/", "http://127.0.0.1./", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/"),
    *("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/"),
    *("http://[0:0:0:0:0:ffff:7f00:0001]/", "http://0/", "http://0.0.0.0/", "http://[::]/", "http://169.254.169.254/"),
    *("http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/", "http://\u24db\u24de\u24d2alhost/"),
    *("http://017700000001/", "http://[fe80::1]/", "http://10.1/", "http://192.168.257/", "http://[fd00::1]:80/"),
)
TRICKS = (
    *("http://example.com@127.0.0.1/", "http://127.0.0.1:80@example.com/", "http://example.com:80@[::1]/"),
    *("http://[fe80::1%25eth0]/", "http://[::1%25lo]/", "http://[fe80::1%eth0]/", "http://127.0.0.1%00.example.com/"),
    *("http://example.com\\@127.0.0.1/", "http://exa\tmple.com@127.0.0.1/", "http://127.0.0.1\r\nHost: a/"),
    *("http://[127.0.0.1]/", "http://127.0.0.1:x/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL"),
)


@pytest.mark.parametrize("url", [*WAYS_HOME, *TRICKS])
def test_no_spelling_of_an_address_of_one_s_own_gets_through(url: str) -> None:
    strict = Reach(videos=NONE)
    for field in ("callback_url", "video_url"):
        with pytest.raises(InvalidFieldsError):
            Submission.parse({"video_url": "https://example.com/v.mp4"} | {field: url}, private=strict)
    with pytest.raises((ValueError, NowhereError)):
        reachable(url, resolve=lambda *_: ["8.8.8.8"])


def test_a_name_is_looked_up_once_and_all_that_it_has_must_be_public() -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["8.8.8.8", "::1"] if host == "both.example" else ["8.8.8.8"]

    target, addresses = reachable("https://talks.example/v.mp4?a=b", resolve=resolve)
    assert (target.host, target.port, addresses) == ("talks.example", 443, ["8.8.8.8"])
    assert asked == [("talks.example", 443)]
    with pytest.raises(NowhereError, match=r"both\.example has the address ::1"):
        reachable("https://both.example/", resolve=resolve)
    assert reachable("https://both.example/", parse_networks(LOOPBACK), resolve=resolve)[1] == ["8.8.8.8", "::1"]


def test_without_tokens_a_video_may_be_anywhere_and_with_them_where_the_operator_says() -> None:
    body = {"video_url": "http://127.0.0.1:8000/v.mp4"}
    for fine in ({}, {"DUBQ_AUTH": "on", "DUBQ_VIDEO_PRIVATE": "127.0.0.0/8"}):
        Submission.parse(body, private=ApiSettings.from_env(fine).reach)
    for strict in ({"DUBQ_AUTH": "on"}, {"DUBQ_VIDEO_PRIVATE": "none"}):
        with pytest.raises(InvalidFieldsError, match=r"/video_url: 127\.0\.0\.1 is not a"):
            Submission.parse(body, private=ApiSettings.from_env(strict).reach)
