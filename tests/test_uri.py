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
    "uri", ["redis://u:se/cret@host:1", "redis://u:12/cret@host", "redis://u:cret@host:port"]
)
def test_a_password_never_shows(uri: str) -> None:
    try:
        said = str(StoreUri(uri))
    except BadUri as error:
        said = str(error)
    assert "cret" not in said
