"""Storage URIs: what is taken, what is refused, and that passwords stay out of texts."""

import pytest

from mqcore.contract import BadUri, StoreUri


def test_the_parts_and_options_are_taken() -> None:
    uri = StoreUri("redis://user:secret@host:6379/3?pool=7&mode=fast")
    assert (uri.scheme, uri.parts.hostname, uri.parts.port) == ("redis", "host", 6379)
    assert uri.number("pool", 1, least=1, most=10) == 7
    assert uri.text("mode", "safe", choices=("safe", "fast")) == "fast"
    assert uri.text("other", "default") == "default"
    uri.done()
    assert str(uri) == "redis://user@host:6379/3"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("pool=x", "pool"),
        ("pool=0", "from 1 to 10"),
        ("pool=nan", "pool"),
        ("mode=other", "safe, fast"),
        ("unknown=1", "known options: mode, pool"),
        ("pool=1&pool=2", "twice"),
        ("pool", "option=value"),
    ],
)
def test_a_bad_option_is_named(options: str, part: str) -> None:
    def read() -> None:
        uri = StoreUri(f"redis://host?{options}")
        uri.number("pool", 1, least=1, most=10)
        uri.text("mode", "safe", choices=("safe", "fast"))
        uri.done()

    with pytest.raises(BadUri, match=part):
        read()


@pytest.mark.parametrize(
    "uri",
    [
        *("redis://u:se/cret@host:1", "redis://u:12/cret@host", "redis://u:cret@host:port"),
        *("redis://u:cret@host:1,host:port", "redis://u:cret,cret@host,other"),
        *("redis://u:1,se/cret@host", "redis://u:cret@host,[::1"),
    ],
)
def test_a_password_never_shows(uri: str) -> None:
    try:
        said = str(StoreUri(uri))
    except BadUri as error:
        said = str(error)
    assert "cret" not in said


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("h1:7000,h2:7001", (("h1", 7000), ("h2", 7001))),
        ("h1,h2:7001", (("h1", None), ("h2", 7001))),
        ("[::1]:7000,h2,[::2]", (("::1", 7000), ("h2", None), ("::2", None))),
        ("h1,[::1]:7000", (("h1", None), ("::1", 7000))),
        ("h1", (("h1", None),)),
        ("", (("", None),)),
    ],
)
def test_several_hosts_are_taken_apart(
    text: str, hosts: tuple[tuple[str, int | None], ...]
) -> None:
    uri = StoreUri(f"redis://user:se,cret@{text}/path")
    assert uri.hosts() == hosts
    uri.done()
    assert str(uri) == f"redis://user@{text}/path"


@pytest.mark.parametrize(
    "hosts", ["h1:port", "h1:7000,h2:port", "h1,h2:70000", "h1,,h2", "h1,[::1"]
)
def test_a_bad_host_or_port_is_refused(hosts: str) -> None:
    with pytest.raises(BadUri, match="several hosts as host:port,host:port"):
        StoreUri(f"redis://{hosts}/0")


def test_several_hosts_are_refused_where_the_driver_takes_one() -> None:
    with pytest.raises(BadUri, match="redis://h1,h2/0: name one host only"):
        StoreUri("redis://h1,h2/0").done()
