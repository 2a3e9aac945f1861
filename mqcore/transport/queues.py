"""`/v2/queues` and one queue (spec 2.6)."""

from collections.abc import Mapping
from typing import Any

import falcon.asgi

from mqcore.contract import Invalid, QueueNotFound, QueueRef
from mqcore.service import Service

from . import query
from .body import decode_object, read_body
from .bridge import Bridge
from .errors import BAD_BODY, INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, Refusal
from .patch import PATCH_TYPE, apply, decode_patch
from .render import queue_path, write
from .request import Request, Resource

__all__ = ["QueueItem", "Queues"]

OPTIONS = frozenset(("limit", "marker", "detailed", "name", "with_count"))


class Queues(Resource):
    """The queues of a project."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._queues = service.queues
        self._bridge = bridge

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        limit = query.integer(req, "limit")
        detailed = query.flag(req, "detailed")
        with_count = query.flag(req, "with_count")
        name = query.text(req, "name")
        wanted = {key: query.text(req, key) or "" for key in req.params if key not in OPTIONS}
        page = await self._bridge.run(
            req.project,
            self._queues.list,
            req.project,
            marker=query.text(req, "marker"),
            limit=10 if limit is None else limit,
            detailed=bool(detailed),
            name=name,
            metadata={key: _values(text) for key, text in wanted.items()},
        )
        params: query.Params = {
            **wanted,
            "limit": limit,
            "detailed": detailed,
            "with_count": with_count,
            "name": name,
        }
        document: dict[str, Any] = {
            "queues": [_entry(queue.name, queue.metadata) for queue in page.items],
            "links": query.next_links("/v2/queues", params, page.next),
        }
        if with_count:
            document["count"] = await self._bridge.run(req.project, self._queues.count, req.project)
        write(resp, document)


def _entry(name: str, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "href": f"/v2/queues/{name}"}
    if metadata is not None:
        entry["metadata"] = metadata
    return entry


def _values(text: str) -> list[str | int]:
    """The values of metadata that a filter's text stands for."""
    return [text, int(text)] if query.INTEGER.fullmatch(text) else [text]


class QueueItem(Resource):
    """One queue, which is represented by its metadata."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._queues = service.queues
        self._limit = service.limits.max_queue_metadata
        self._bridge = bridge

    async def on_get(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        write(resp, await self._bridge.run(queue.project, self._queues.get, queue))

    async def on_head(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        """Whether the queue is stored; GET shows the defaults for one that is not (D-1)."""
        if not await self._bridge.run(queue.project, self._queues.exists, queue):
            raise QueueNotFound(queue)
        resp.status = 204

    async def on_put(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        data = await read_body(req, self._limit, too_long=INVALID_REQUEST, optional=True)
        metadata = decode_object(data) if data else {}
        created = await self._bridge.run(queue.project, self._queues.create, queue, metadata)
        resp.status = 201 if created else 204
        resp.set_header("Location", queue_path(queue))

    async def on_patch(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        if req.content_type != PATCH_TYPE:
            raise Refusal(
                UNSUPPORTED_MEDIA_TYPE,
                f"the Content-Type must be exactly {PATCH_TYPE}",
                {"Accept-Patch": PATCH_TYPE},
            )
        changes = decode_patch(await read_body(req, self._limit))
        try:
            metadata = await self._bridge.run(
                queue.project, self._queues.update, queue, lambda stored: apply(changes, stored)
            )
        except Invalid as error:
            raise Refusal(BAD_BODY, str(error)) from None
        write(resp, metadata)

    async def on_delete(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        await self._bridge.run(queue.project, self._queues.delete, queue)
        resp.status = 204
