"""What is asked of a server when a store is opened, and what is made there."""

from typing import Any

from pymongo.database import Database

from mqcore.contract import Misconfigured

from .schema import INDEXES, LAYOUT

__all__ = ["OLDEST", "prepare"]

OLDEST = (4, 4)


def prepare(database: Database[dict[str, Any]], place: str) -> bool:
    """Refuse servers that cannot be used, and make the indexes if they are not there.

    Returns whether the server has streams of changes.

    Several at once do no harm: an index that is there already is made in no time.
    """
    streams = _inspect(database, place)
    numbers = database["numbers"]
    layout = numbers.find_one({"_id": "layout"})
    if layout is None:
        for name, indexes in INDEXES.items():
            database[name].create_indexes(indexes)
        numbers.update_one({"_id": "layout"}, {"$setOnInsert": {"n": LAYOUT}}, upsert=True)
        layout = numbers.find_one({"_id": "layout"})
    if layout is None or layout["n"] != LAYOUT:
        raise Misconfigured(
            f"the database {database.name!r} of {place} has the layout"
            f" {layout and layout['n']}, and this mqcore knows {LAYOUT};"
            " use the mqcore that wrote it, or another database in the URI"
        )
    return streams


def _inspect(database: Database[dict[str, Any]], place: str) -> bool:
    version = tuple(database.client.server_info()["versionArray"][:2])
    if version < OLDEST:
        raise Misconfigured(
            f"the MongoDB server {place} has version {'.'.join(map(str, version))};"
            f" mqcore needs {'.'.join(map(str, OLDEST))} or newer"
        )
    hello = database.client.admin.command("hello")
    if not hello["isWritablePrimary"]:
        raise Misconfigured(
            f"the MongoDB server {place} is not a primary, and takes no writes;"
            " name the replica set, as in ?replica_set=rs0, and leave out ?direct="
        )
    return "setName" in hello or hello.get("msg") == "isdbgrid"
