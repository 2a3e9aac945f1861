"""The messages of a queue (spec 2.7)."""

from collections.abc import Sequence

import falcon.asgi
import msgspec
from msgspec import UNSET, UnsetType

from mqcore.contract import ClaimNotFound, Message, Page, PageRequest, QueueRef
from mqcore.service import BulkDelete, Post, Posting, Service

from . import query
from .body import decode, decode_document, read_body
from .bridge import Bridge
from .errors import BAD_CLAIM, INVALID_REQUEST, NOT_FOUND, Refusal
from .merged import Merged
from .render import Renderer, queue_path, write
from .request import Request, Resource

__all__ = ["MessageItem", "Messages"]

PAGES_TOGETHER = 16
"""The most pages that one call reads: their bodies are all in memory at once."""

LONGEST_LOCATION = 8000
"""The most bytes of ids in a Location: clients refuse responses with very long headers."""


class PostedMessage(msgspec.Struct):
    body: msgspec.Raw
    ttl: int | UnsetType = UNSET
    delay: int | UnsetType = UNSET


class PostedBatch(msgspec.Struct):
    messages: list[PostedMessage] | UnsetType = UNSET


_batch = msgspec.json.Decoder(PostedBatch)


def _decode_posting(data: bytes) -> list[Posting]:
    try:
        messages = decode(_batch, data).messages
    except Refusal:
        if isinstance(decode_document(data), list):
            raise Refusal(INVALID_REQUEST, "the body must be an object with messages") from None
        raise
    if messages is UNSET:
        raise Refusal(INVALID_REQUEST, "the body must have the member messages, a list")
    return [
        Posting(
            bytes(message.body),
            None if message.ttl is UNSET else message.ttl,
            None if message.delay is UNSET else message.delay,
        )
        for message in messages
    ]


class Messages(Resource):
    """The messages of a queue: post, list, get and delete several, pop."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._messages = service.messages
        self._limits = service.limits
        self._bridge = bridge
        self._render = Renderer(service)
        messages = service.messages
        several = messages.post_to_several if messages.joins_posts else None
        self._post = Merged(messages.post_many, several, messages=lambda post: len(post.messages))
        self._bulk_delete = Merged(
            messages.bulk_delete_many, messages=lambda delete: len(delete.ids)
        )
        self._pages: Merged[PageRequest, Page[Message] | None] | None = None
        if messages.joins_pages:
            self._pages = Merged(
                messages.list_many, messages=lambda page: page.limit, most=PAGES_TOGETHER
            )

    async def on_post(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        limit = self._limits.max_messages_post_size
        data = await read_body(req, limit, too_long=INVALID_REQUEST)
        post = Post(_decode_posting(data), client=req.client, size=len(data))
        ids = await self._bridge.merged(self._post, queue, post)
        path = f"{queue_path(queue)}/messages"
        write(resp, {"resources": [f"{path}/{message_id}" for message_id in ids]}, 201)
        named = ",".join(ids)
        resp.set_header(
            "Location", f"{path}?ids={named}" if len(named) <= LONGEST_LOCATION else path
        )

    async def on_get(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        ids = query.items(req, "ids")
        if ids:
            await self._get_many(resp, queue, ids)
        else:
            await self._list(req, resp, queue)

    async def _get_many(
        self, resp: falcon.asgi.Response, queue: QueueRef, ids: Sequence[str]
    ) -> None:
        found = await self._bridge.run(queue.project, self._messages.get_many, queue, ids)
        if not found:
            raise Refusal(NOT_FOUND, f"none of these messages is in {queue}")
        write(resp, {"messages": self._render.messages(queue, found)})

    async def _list(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        limit = query.integer(req, "limit")
        echo = query.flag(req, "echo")
        include_claimed = query.flag(req, "include_claimed")
        include_delayed = query.flag(req, "include_delayed")
        page = await self._page(
            queue,
            PageRequest(
                query.text(req, "marker"),
                10 if limit is None else limit,
                None if echo else req.client,
                bool(include_claimed),
                bool(include_delayed),
            ),
        )
        params: query.Params = {
            "limit": limit,
            "echo": echo,
            "include_claimed": include_claimed,
            "include_delayed": include_delayed,
        }
        path = f"{queue_path(queue)}/messages"
        write(
            resp,
            {
                "messages": self._render.messages(queue, page.items),
                "links": query.next_links(path, params, page.next),
            },
        )

    async def _page(self, queue: QueueRef, request: PageRequest) -> Page[Message]:
        """Read it, together with others where that is best."""
        page = await self._bridge.merged(self._pages, queue, request) if self._pages else None
        if page is not None:
            return page
        return await self._bridge.run(queue.project, self._messages.list, queue, request)

    async def on_delete(self, req: Request, resp: falcon.asgi.Response, queue: QueueRef) -> None:
        ids = query.items(req, "ids")
        claim_ids = query.items(req, "claim_ids")
        pop = query.integer(req, "pop")
        if bool(ids) == (pop is not None):
            raise Refusal(INVALID_REQUEST, "give either ids or pop")
        if pop is not None:
            await self._pop(resp, queue, pop, claim_ids)
            return
        try:
            await self._bridge.merged(self._bulk_delete, queue, BulkDelete(ids, claim_ids))
        except ClaimNotFound as error:
            raise Refusal(BAD_CLAIM, str(error)) from None
        resp.status = 204

    async def _pop(
        self, resp: falcon.asgi.Response, queue: QueueRef, limit: int, claim_ids: Sequence[str]
    ) -> None:
        if claim_ids and self._limits.message_delete_with_claim_id:
            raise Refusal(INVALID_REQUEST, "claim_ids goes with ids, not with pop")
        popped = await self._bridge.run(queue.project, self._messages.pop, queue, limit)
        write(resp, {"messages": [self._render.popped(message) for message in popped]})


class MessageItem(Resource):
    """One message."""

    def __init__(self, service: Service, bridge: Bridge) -> None:
        self._messages = service.messages
        self._bridge = bridge
        self._render = Renderer(service)
        self._delete = Merged(service.messages.delete_many)

    async def on_get(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, message_id: str
    ) -> None:
        message = await self._bridge.run(queue.project, self._messages.get, queue, message_id)
        write(resp, self._render.message(queue, message))

    async def on_delete(
        self, req: Request, resp: falcon.asgi.Response, queue: QueueRef, message_id: str
    ) -> None:
        handle = self._messages.handle(message_id, query.text(req, "claim_id"))
        try:
            await self._bridge.merged(self._delete, queue, handle)
        except ClaimNotFound as error:
            raise Refusal(BAD_CLAIM, str(error)) from None
        resp.status = 204
