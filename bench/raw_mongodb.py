"""The MongoDB driver against bare pymongo, and claims by 1, 4 and 16 claimers at once.

python bench/raw_mongodb.py [mongodb://HOST:PORT/DATABASE?replica_set=NAME] [--rounds N]
    [--processes]

The database must be one that may be dropped. `same calls`: what the driver sends, sent by pymongo
without anything that the driver does beside it. `insert_many`: the least that can be sent for a
post that is durable, which has no order that readers can rely on, and no queue that may be missing.
All sides take turns on one server, so that only ratios count.
"""

import argparse
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bson import ObjectId
from mqcore_mongodb.driver import open_driver
from mqcore_mongodb.leases import claim_key, claims_being_made, ended_claims
from mqcore_mongodb.schema import BY_ID, BY_SEQ, BY_STATE, CLAIMED, FREE
from mqcore_mongodb.store import FAST, SAFE, UNHEARD, VIEW, joined, key_of
from mqcore_mongodb.values import MESSAGE, to_document
from pymongo import DeleteMany, MongoClient, UpdateMany
from pymongo.database import Database

from mqcore.contract import (
    Claim,
    ClaimRequest,
    Driver,
    Handle,
    Moment,
    NewMessage,
    QueueRef,
    new_id,
)

QUEUE = QueueRef("mqcore-bench", "raw")
BODY = b"x" * 1024
TTL = 36_000
CLAIMERS = (1, 4, 16)

Mongo = Database[dict[str, Any]]


def messages(n: int) -> list[NewMessage]:
    return [NewMessage(new_id(), BODY, TTL) for _ in range(n)]


class Bare:
    """What a program would send that knows all of it in advance."""

    def __init__(self, database: Mongo) -> None:
        self._q = database["queues"].find_one({"_id": key_of(QUEUE)})["q"]  # type: ignore[index]
        names = ("queues", "messages", "claims", "counts")
        self._fast = {each: database.get_collection(each, write_concern=FAST) for each in names}
        self._safe = {each: database.get_collection(each, write_concern=SAFE) for each in names}
        self._unheard = {
            each: database.get_collection(each, write_concern=UNHEARD) for each in names
        }

    def post(self, n: int) -> None:
        at, post = Moment(time.time()), ObjectId()
        listed = {"post": post, "first": "$next", "n": n, "at": at.second, "keep": False}
        posts = {"$concatArrays": ["$posts", [listed]]}
        queue = self._fast["queues"].find_one_and_update(
            {"_id": key_of(QUEUE)},
            [{"$set": {"posts": posts, "next": {"$add": ["$next", n]}}}],
            VIEW,
        )
        assert queue
        self._safe["messages"].insert_many(
            [
                to_document(new, at, self._q, seq, post)
                for seq, new in enumerate(messages(n), queue["next"])
            ]
        )
        self._fast["queues"].update_one(
            {"_id": key_of(QUEUE), "q": self._q, "posts.post": post},
            {"$pull": {"posts": {"post": post}}},
        )
        self._count(messages=n)

    def claim_delete(self, n: int) -> None:
        at, claim_id = Moment(time.time()), new_id()
        known = {"_id": {"$in": [claim_key(self._q, claim_id)]}, "q": self._q}
        found = self._fast["messages"].aggregate(
            [
                {"$match": {"q": self._q, "state": FREE}},
                {"$sort": {"seq": 1}},
                {"$limit": n},
                {"$project": {"_id": 0, "seq": 1, "ends": 1}},
                joined("queues", -1, [{"$match": {"_id": key_of(QUEUE)}}, {"$project": VIEW}]),
                joined("claims", 1, ended_claims(self._q, at).pipeline),
                joined("claims", 2, claims_being_made(self._q).pipeline),
                joined("claims", 3, [{"$match": known}]),
            ],
            hint=BY_STATE,
        )
        seqs = [each["seq"] for each in found if "part" not in each]
        lease, key = ObjectId(), claim_key(self._q, claim_id)
        claim = {"_id": key, "q": self._q, "id": claim_id, "lease": lease, "seqs": seqs}
        terms = {"low": 0, "over": at.end(60), "ttl": 60, "grace": 60, "renewed": at.now}
        self._fast["claims"].insert_many([{**claim, **terms, "open": True}], ordered=False)
        these = {"q": self._q, "seq": {"$in": seqs}}
        held = {"state": CLAIMED, "lease": lease, "claim": claim_id}
        change = {"$set": held, "$inc": {"count": 1}}
        mark = UpdateMany({**these, "state": FREE}, change, hint=BY_SEQ)
        self._fast["messages"].bulk_write([mark])
        itself = {"_id": {"$in": [key]}, "q": self._q}
        self._safe["claims"].update_many({**itself, "open": True}, {"$set": {"marked": True}})
        got = self._fast["messages"].aggregate(
            [
                {"$match": {**these, "lease": {"$in": [lease]}}},
                {"$sort": {"seq": 1}},
                {"$project": MESSAGE},
                joined("claims", 1, [{"$match": itself}]),
            ],
            hint=BY_SEQ,
        )
        ids = [each["id"] for each in got if "part" not in each]
        made = {"$unset": {"open": "", "marked": ""}}
        self._unheard["claims"].update_many({**itself, "open": True}, made)
        self._count(held=len(ids))
        self._delete(ids, key, lease)

    def _delete(self, ids: list[str], key: str, lease: ObjectId) -> None:
        found = self._fast["messages"].aggregate(
            [
                {"$match": {"q": self._q, "id": {"$in": ids}}},
                {"$project": dict.fromkeys(("id", "seq", "state", "ends", "claim", "lease"), 1)},
                joined("queues", -1, [{"$match": {"_id": key_of(QUEUE)}}, {"$project": VIEW}]),
            ],
            hint=BY_ID,
        )
        seqs = [each["seq"] for each in found if "part" not in each]
        list(self._fast["claims"].find({"_id": {"$in": [key]}, "q": self._q}, hint="_id_"))
        doomed = {"q": self._q, "seq": {"$in": seqs}, "lease": lease, "state": CLAIMED}
        self._safe["messages"].bulk_write([DeleteMany(doomed, hint=BY_SEQ)], ordered=False)
        self._count(messages=-len(ids), held=-len(ids))

    def _count(self, *, messages: int = 0, held: int = 0) -> None:
        more = {"messages": messages, "held": held, "changes": 1}
        self._unheard["counts"].update_one({"_id": self._q}, {"$inc": more})


class Least:
    """Messages without a queue."""

    def __init__(self, database: Mongo) -> None:
        self._safe = database.get_collection("messages", write_concern=SAFE)
        self._seq = 0

    def post(self, n: int) -> None:
        at, post = Moment(time.time()), ObjectId()
        new = enumerate(messages(n), self._seq)
        self._seq += n
        self._safe.insert_many([to_document(each, at, -1, seq, post) for seq, each in new])


class Ours:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def post(self, n: int) -> None:
        self._driver.messages.post(QUEUE, messages(n))

    def claim(self, n: int) -> Claim:
        (claim,) = self._driver.claims.claim(QUEUE, [ClaimRequest(new_id(), n, 60, 60)])
        assert isinstance(claim, Claim), claim
        return claim

    def claim_delete(self, n: int) -> None:
        claim = self.claim(n)
        handles = [Handle(message.id, (claim.id,)) for message in claim.messages]
        self._driver.messages.delete(QUEUE, handles)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(bare: Bare, least: Least, ours: Ours, rounds: int) -> None:
    for batch in (1, 10):
        calls: dict[str, tuple[tuple[str, Callable[[int], None]], ...]] = {
            "post": (("same calls", bare.post), ("insert_many", least.post)),
            "claim and delete": (("same calls", bare.claim_delete),),
        }
        for name, sides in calls.items():
            mine = ours.post if name == "post" else ours.claim_delete
            spent: dict[str, list[float]] = {}
            for _ in range(rounds):
                if name != "post":
                    ours.post(2 * batch)
                for side, call in (*sides, ("driver", mine)):
                    spent.setdefault(side, []).append(seconds(partial(call, batch)))
            times = {side: median(each) for side, each in spent.items()}
            for side, _ in sides:
                print(
                    f"{name} of {batch}: {side} {times[side] * 1e6:.0f} us, driver"
                    f" {times['driver'] * 1e6:.0f} us, {times[side] / times['driver']:.0%}"
                )


_mine = threading.local()
"""The handle of each thread that is a client, whatever process it is in."""


def begin(uri: str) -> None:
    _mine.side = Ours(open_driver(uri, clock=time.time))


def repeat(name: str, batch: int, end: float) -> int:
    """Make the call again and again; how often."""
    made = 0
    while time.time() < end:
        getattr(_mine.side, name)(batch)
        made += 1
    return made


def executor(uri: str, *, processes: bool) -> Executor:
    if processes:
        spawning = get_context("spawn")
        return ProcessPoolExecutor(max(CLAIMERS), spawning, initializer=begin, initargs=(uri,))
    return ThreadPoolExecutor(max(CLAIMERS), initializer=begin, initargs=(uri,))


def clients(uri: str, pool: Executor, duration: float, rounds: int) -> None:
    """Each client has a handle of its own; all are on one queue."""
    driver = open_driver(uri, clock=time.time)
    started = time.time() + 5
    for each in [pool.submit(repeat, "post", 1, started) for _ in range(max(CLAIMERS))]:
        each.result()
    driver.messages.purge(QUEUE)
    for batch in (1, 10):
        for name in ("post", "claim"):
            rates: dict[int, list[float]] = {n: [] for n in CLAIMERS}
            for _ in range(rounds):
                for n in CLAIMERS:
                    if name == "claim":
                        for _ in range(int(duration * 40)):
                            Ours(driver).post(100)
                    end = time.time() + duration
                    made = [pool.submit(repeat, name, batch, end) for _ in range(n)]
                    rates[n].append(sum(each.result() for each in made) / duration)
                    driver.messages.purge(QUEUE)
            one = [median(rates[n]) for n in CLAIMERS]
            told = ", ".join(f"{n}: {rate:.0f}" for n, rate in zip(CLAIMERS, one, strict=True))
            print(
                f"{name}s of {batch} a second, by clients: {told}; 16 to 4: {one[2] / one[1]:.2f}"
            )
    driver.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("uri", nargs="?", default="mongodb://127.0.0.1:27017/mqcore_bench")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--processes", action="store_true", help="each client is a process")
    arguments = parser.parse_args()
    at = urlsplit(arguments.uri)
    replica_set = parse_qs(at.query).get("replica_set", [None])[0]
    client: MongoClient[dict[str, Any]] = MongoClient(
        at._replace(query="").geturl(), replicaSet=replica_set
    )
    database = client[at.path.removeprefix("/")]
    client.drop_database(database.name)
    driver = open_driver(arguments.uri, clock=time.time)
    driver.queues.create(QUEUE, {})
    compare(Bare(database), Least(database), Ours(driver), arguments.rounds)
    with executor(arguments.uri, processes=arguments.processes) as pool:
        clients(arguments.uri, pool, arguments.seconds, 3)
    client.drop_database(database.name)
    driver.close()


if __name__ == "__main__":
    main()
