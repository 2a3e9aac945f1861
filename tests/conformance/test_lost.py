"""The tests of lost replies catch a driver that repeats a call as it should not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mqcore.conformance.proxy import Proxy
from mqcore.contract import Unavailable, new_id

from .proxied import ProxiedHarness
from .remote import RemoteDriver, RemoteServer, open_driver
from .test_teeth import run


class RepeatsAll(RemoteDriver):
    """Hides a lost connection by repeating the call, whatever it is."""

    def call(self, path: str, arguments: Any = (), options: Any = None) -> Any:
        try:
            return super().call(path, arguments, options)
        except Unavailable:
            return super().call(path, arguments, options)


class RepeatsWithNewIds(RemoteDriver):
    """Repeats a post or a claim as if it were another one."""

    def call(self, path: str, arguments: Any = (), options: Any = None) -> Any:
        try:
            return super().call(path, arguments, options)
        except Unavailable:
            if path not in ("messages.post", "claims.claim"):
                raise
            queue, items = arguments
            return super().call(path, (queue, [replace(each, id=new_id()) for each in items]))


@pytest.fixture(scope="module", params=[RepeatsAll, RepeatsWithNewIds])
def harness(request: pytest.FixtureRequest) -> Iterator[ProxiedHarness]:
    with RemoteServer() as server, Proxy("127.0.0.1", server.port) as proxy:
        opener = partial(open_driver, kind=request.param)
        yield ProxiedHarness(opener, f"remote://127.0.0.1:{proxy.port}", proxy)
        server.shutdown()


def test_wrong_repeats_are_caught(tmp_path: Path) -> None:
    source = (
        "from mqcore.conformance.faults import TestLostReplies\n"
        "from tests.conformance.test_lost import harness\n"
    )
    output = run(tmp_path, source, "--tb=no", "-rA")
    failed = re.findall(r"^FAILED \S+::test_(\w+)\[(\w+)", output, re.MULTILINE)
    assert sorted(failed) == [
        ("a_claim_is_made_once", "RepeatsWithNewIds"),
        ("a_pop_is_not_repeated_behind_the_callers_back", "RepeatsAll"),
        ("a_post_is_stored_once", "RepeatsWithNewIds"),
    ], output
