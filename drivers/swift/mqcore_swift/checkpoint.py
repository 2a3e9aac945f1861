"""A project as one object, and back."""

import json
from dataclasses import asdict
from typing import Any

from mqcore.contract import Subscription, Unavailable

from .box import Box, Lease, Row
from .names import Tip
from .packs import Body
from .project import Project, Queue
from .subscribers import Subscribers

__all__ = ["read", "write"]

LAYOUT = 1


def write(project: Project, tip: Tip) -> bytes:
    """Everything, as after the entry at the tip."""
    whole = {
        "layout": LAYOUT,
        "tip": [tip.epoch, tip.slot],
        "messages": project.messages,
        "packs": list(project.packs.names()),
        "wasted": project.packs.wasted,
        "waste": [[number, *each] for number, each in project.packs.waste.items()],
        "queues": [[name, *_queue(queue)] for name, queue in project.queues.items()],
        "subscriptions": [
            asdict(each) for some in project.subscribers.values() for each in some.by_id.values()
        ],
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def read(content: bytes, place: str) -> tuple[Project, Tip]:
    """Raises Unavailable for one that another version of the driver wrote."""
    whole = json.loads(content)
    if whole["layout"] != LAYOUT:
        raise Unavailable(
            f"{place} has data of layout {whole['layout']}, and this version of the driver works "
            f"on layout {LAYOUT}: run the same version everywhere"
        )
    project = Project()
    project.messages = whole["messages"]
    project.packs.wasted = whole["wasted"]
    project.packs.waste = {number: (name, since) for number, name, since in whole["waste"]}
    for slot, name in whole["packs"]:
        project.packs.restore(slot, name)
    for name, metadata, version, leases, rows in whole["queues"]:
        project.queues[name] = Queue(metadata, version, _box(project, leases, rows))
    for fields in whole["subscriptions"]:
        some = project.subscribers.setdefault(fields["source"], Subscribers())
        some.add(Subscription(**fields))
    return project, Tip(*whole["tip"])


def _queue(queue: Queue) -> list[Any]:
    box = queue.box
    leases = [[each.id, each.ttl, each.grace, each.renewed_at] for each in box.leases.values()]
    rows = [_row(box.rows[number]) for number in sorted(box.rows)]
    return [queue.metadata, queue.version, leases, rows]


def _row(row: Row) -> list[Any]:
    lease = row.lease.id if row.lease else None
    where = (row.body.slot, row.body.start, row.body.size)
    life = (row.ttl, row.posted_at, row.ends, row.due)
    return [lease, *where, row.number, row.id, row.client, row.checksum, *life, row.count]


def _box(project: Project, leases: list[Any], rows: list[Any]) -> Box:
    box = Box(project.packs)
    for fields in leases:
        box.restore_lease(Lease(*fields))
    for lease, slot, start, size, number, message_id, *fields in rows:
        row = Row(number, message_id, Body(slot, start, size), *fields)
        row.lease = box.leases[lease] if lease else None
        box.restore(row)
    return box
