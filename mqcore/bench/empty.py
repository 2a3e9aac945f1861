"""A server whose one handler answers 204 at once: what the framework and uvicorn cost alone.

python -m mqcore.bench.empty
"""

import sys

import falcon.asgi

from .variant import serve_with

__all__ = ["build_empty"]


class _Nothing:
    async def on_get(self, _: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.status = 204


def build_empty(*_: object) -> "falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]":
    """An application with one route, in the place of ours."""
    app: falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response] = falcon.asgi.App()
    app.add_route("/", _Nothing())
    return app


if __name__ == "__main__":
    sys.exit(serve_with("build_app", build_empty))
