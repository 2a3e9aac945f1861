"""The REST API v2 as an ASGI application."""

import falcon.asgi

from mqcore.service import Service

from .bridge import Bridge
from .checks import CallerChecks
from .claims import ClaimItem, Claims
from .edge import AsgiApp, Edge
from .errors import install_error_handlers
from .home import Home
from .messages import MessageItem, Messages
from .openapi import OpenApi
from .ping import Health, Ping
from .queue_actions import Purge, Share, Stats
from .queues import QueueItem, Queues
from .request import Request, Resource
from .settings import AppSettings
from .subscriptions import Confirmation, SubscriptionItem, Subscriptions
from .versions import Versions

__all__ = ["build_app", "routes"]


def build_app(service: Service, bridge: Bridge, settings: AppSettings) -> AsgiApp:
    """Build the application. The caller opens and closes the service and the bridge."""
    app: falcon.asgi.App[Request, falcon.asgi.Response] = falcon.asgi.App(
        request_type=Request,
        response_type=falcon.asgi.Response,
        middleware=[CallerChecks(service, settings)],
    )
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = False
    app.resp_options.default_media_type = None  # type: ignore[assignment]  # none without a body
    install_error_handlers(app)
    for path, resource in routes(service, bridge, settings).items():
        app.add_route(path, resource)
    return Edge(app, request_timeout=settings.request_timeout)


def routes(service: Service, bridge: Bridge, settings: AppSettings) -> dict[str, Resource]:
    """Every path of the API with what is there."""
    queue = "/v2/queues/{queue_name}"
    paths: dict[str, Resource] = {
        "/": Versions(),
        "/v2": Home(admin_mode=settings.admin_mode),
        "/v2/openapi.json": OpenApi(service.limits, admin_mode=settings.admin_mode),
        "/v2/ping": Ping(service, bridge),
        "/v2/queues": Queues(service, bridge),
        queue: QueueItem(service, bridge),
        f"{queue}/stats": Stats(service, bridge),
        f"{queue}/purge": Purge(service, bridge),
        f"{queue}/share": Share(service, key=settings.signed_url_key),
        f"{queue}/messages": Messages(service, bridge),
        f"{queue}/messages/{{message_id}}": MessageItem(service, bridge),
        f"{queue}/claims": Claims(service, bridge),
        f"{queue}/claims/{{claim_id}}": ClaimItem(service, bridge),
        f"{queue}/subscriptions": Subscriptions(service, bridge),
        f"{queue}/subscriptions/{{subscription_id}}": SubscriptionItem(service, bridge),
        f"{queue}/subscriptions/{{subscription_id}}/confirm": Confirmation(service, bridge),
    }
    if settings.admin_mode:
        paths["/v2/health"] = Health(service, bridge, trust_headers=settings.trust_identity_headers)
    return paths
