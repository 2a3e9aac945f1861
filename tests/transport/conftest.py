"""One live server for the tests of the REST API; each test has a project of its own."""

from collections.abc import Iterator

import pytest

from .live import Api, Live, serve


@pytest.fixture(scope="package")
def live() -> Iterator[Live]:
    with serve() as server:
        yield server


@pytest.fixture
def api(live: Live) -> Iterator[Api]:
    client = live.api()
    yield client
    client.http.close()
