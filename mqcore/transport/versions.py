"""`/`: the versions of the API (spec 2.4)."""

import falcon.asgi

from .render import write
from .request import Request, Resource

__all__ = ["Versions"]

VERSIONS = {
    "versions": [
        {
            "id": "2",
            "status": "CURRENT",
            "updated": "2014-9-24T04:06:47Z",
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.messaging-v2+json",
                }
            ],
            "links": [{"href": "/v2/", "rel": "self"}],
        }
    ]
}


class Versions(Resource):
    anonymous = True

    async def on_get(self, req: Request, resp: falcon.asgi.Response) -> None:
        write(resp, VERSIONS, 300)
