"""The Redis driver against its own scripts through a bare client, and memory per message.

python bench/raw_redis.py [redis://HOST:PORT/DATABASE] [--messages N] [--rounds N]

The database must be empty, and is emptied at the end. Both sides run the same Lua on the same queue
in turns, so that the difference is what the driver does in Python. Then `--messages` of 1 KiB are
posted; every call on them that held the server for more than a millisecond is told. A machine that
does other things interrupts the server: an idle loop in Lua that takes about as long as our
scripts says how often.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import redis
from mqcore_redis import claims, messages, queues
from mqcore_redis.driver import RedisDriver, open_driver
from mqcore_redis.keys import Keys
from mqcore_redis.scripts import Script
from mqcore_redis.values import id_in, to_id, to_record

from mqcore.contract import ClaimRequest, Handle, NewMessage, QueueRef, new_id

QUEUE = QueueRef("mqcore-bench", "raw")
BODY = b"x" * 1024
TTL = 3600
SLOW = 1000
"""Microseconds."""
LOOP = "local n = 0 for i = 1, 20000 do n = n + i end"


SCRIPTS = {
    script.sha: name
    for name, script in (
        ("post", messages._POST),
        ("claim", claims._CLAIM),
        ("delete", messages._DELETE),
        ("list", messages._LIST),
        ("stats", queues._STATS),
    )
}


class Bare:
    """What a program would do that knows the scripts and nothing else."""

    def __init__(self, uri: str) -> None:
        client: Any = redis.Redis.from_url(uri, protocol=2)
        self._run = client.execute_command
        keys = Keys("mqcore", 1).of(QUEUE)
        self._keys = (1 + len(keys.queue), keys.agenda, *keys.queue, keys.stem)

    def post(self, n: int) -> None:
        now = time.time()
        args: list[Any] = [int(now), b""]
        for _ in range(n):
            args += (int(now) + TTL, "", to_record(NewMessage(new_id(), BODY, TTL), now))
        self._script(messages._POST, *args)

    def claim_delete(self, n: int) -> None:
        now = time.time()
        claim = to_id(new_id())
        request = (claim, n, int(now) + 60, 60, 60, "", "", "", "")
        found, _moved = self._script(claims._CLAIM, int(now), b"", repr(now), *request)
        args: list[Any] = [int(now), 0]
        for record in found[3::3]:
            args += (id_in(record), 0, 1, claim)
        self._script(messages._DELETE, *args)

    def _script(self, script: Script, *args: Any) -> Any:
        return self._run("EVALSHA", script.sha, *self._keys, *args)


class Ours:
    def __init__(self, driver: RedisDriver) -> None:
        self._driver = driver

    def post(self, n: int) -> None:
        self._driver.messages.post(QUEUE, [NewMessage(new_id(), BODY, TTL) for _ in range(n)])

    def claim_delete(self, n: int) -> None:
        request = ClaimRequest(new_id(), n, 60, 60)
        (claim,) = self._driver.claims.claim(QUEUE, [request])
        found = claim.messages  # type: ignore[union-attr]
        handles = [Handle(message.id, (request.id,)) for message in found]
        self._driver.messages.delete(QUEUE, handles)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(bare: Bare, ours: Ours, rounds: int) -> None:
    for batch in (1, 10):
        spent: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for side in (bare, ours):
                name = type(side).__name__
                post = seconds(partial(side.post, batch))
                take = seconds(partial(side.claim_delete, batch))
                spent.setdefault(("post", name), []).append(post)
                spent.setdefault(("claim and delete", name), []).append(take)
        for call in ("post", "claim and delete"):
            raw, driver = (median(spent[call, name]) for name in ("Bare", "Ours"))
            print(
                f"{call} of {batch}: bare {raw * 1e6:.0f} us, driver {driver * 1e6:.0f} us,"
                f" {raw / driver:.0%} of the bare client"
            )


def fill(server: Any, ours: Ours, count: int) -> None:
    server.config_set("slowlog-log-slower-than", -1)  # the log takes memory, too
    server.slowlog_reset()
    before = server.info("memory")["used_memory"]
    for _ in range(count // 100):
        ours.post(100)
    each = (server.info("memory")["used_memory"] - before) / count
    print(f"memory: {each:.0f} bytes a message, {each - len(BODY):.0f} beside the body")


def cost(server: Any, driver: RedisDriver, ours: Ours, rounds: int) -> None:
    """Which calls of ten are slow on the server, now that many messages lie there."""
    server.config_set("slowlog-log-slower-than", SLOW)
    server.config_set("slowlog-max-len", 8 * rounds)
    server.slowlog_reset()
    server.config_resetstat()
    for _ in range(rounds):
        ours.post(10)
        ours.claim_delete(10)
        driver.messages.list(QUEUE)
        driver.queues.stats(QUEUE)
        server.eval(LOOP, 0)
    spent = server.info("commandstats")
    slow: dict[str, list[int]] = defaultdict(list)
    for each in server.slowlog_get(8 * rounds):
        name, sha, *_ = each["command"].decode(errors="replace").split()
        slow[SCRIPTS.get(sha, name)].append(each["duration"])
    for what, command in (("scripts", "evalsha"), ("idle loops", "eval")):
        stat = spent[f"cmdstat_{command}"]
        print(f"server: {stat['calls']} {what}, {stat['usec_per_call']:.0f} us each")
    for name, found in slow.items():
        print(f"  over {SLOW} us: {len(found)} of {name}, median {median(found):.0f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri", nargs="?", default="redis://127.0.0.1:6379/15")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1000)
    options = parser.parse_args()
    server: Any = redis.Redis.from_url(options.uri, protocol=2)
    if server.dbsize():
        parser.error(f"the database is not empty: {server.dbsize()} keys")
    driver = open_driver(options.uri, clock=time.time)
    try:
        driver.queues.create(QUEUE, {})
        ours = Ours(driver)
        ours.post(1000)
        ours.claim_delete(1)
        compare(Bare(options.uri), ours, options.rounds)
        cost(server, driver, ours, options.rounds)
        fill(server, ours, options.messages)
        cost(server, driver, ours, options.rounds)
        driver.queues.delete(QUEUE)
    finally:
        server.flushdb(asynchronous=True)
        driver.close()


if __name__ == "__main__":
    main()
