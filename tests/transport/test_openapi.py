"""The OpenAPI document says what the server does: its routes, and answers to generated requests.

Schemathesis makes requests from the document, good and bad, and checks the answers against it.
Left out of its checks, on purpose: positive_data_acceptance (no schema can say that a claim id
must exist), negative_data_rejection (unknown members are ignored by design), use_after_free and
ensure_resource_availability (they follow links between operations, which the document has not),
missing_required_header, ignored_auth and unsupported_method (spec 2.1 has tests of its own).
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mqcore.memory import open_driver
from mqcore.service import Service, ServiceLimits
from mqcore.service.validation import NAME
from mqcore.transport.app import routes
from mqcore.transport.bridge import Bridge
from mqcore.transport.openapi import openapi_document
from mqcore.transport.patch import PATCH_TYPE
from mqcore.transport.settings import AppSettings

from .live import KEY, Clock, Live, serve

load_all_checks()

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SETTINGS = AppSettings(admin_mode=True, signed_url_key=KEY)

config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
schema = schemathesis.openapi.from_dict(
    openapi_document(ServiceLimits(), admin_mode=True), config=config
)


@schemathesis.serializer(PATCH_TYPE)
def serialize_patch(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def generated() -> Iterator[Live]:
    with serve(SETTINGS) as live:
        yield live


@schema.parametrize()
@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_generated_requests(case: schemathesis.Case[Any], generated: Live) -> None:
    meet_others(case)
    case.call_and_validate(base_url=generated.url, checks=CHECKS)


def meet_others(case: schemathesis.Case[Any]) -> None:
    """Let good requests use one queue of one project, or nothing would ever be in any."""
    if NAME.fullmatch(str(case.path_parameters.get("queue_name", ""))):
        case.path_parameters["queue_name"] = "q"
    if case.headers.get("X-Project-ID"):
        case.headers["X-Project-ID"] = "p"


@pytest.mark.parametrize("admin_mode", [False, True])
def test_the_document_has_exactly_the_routes_of_the_server(admin_mode: bool) -> None:
    async def served() -> dict[str, set[str]]:
        service = Service(open_driver("memory://", clock=Clock()))
        bridge = Bridge(1)
        found = routes(service, bridge, AppSettings(admin_mode=admin_mode))
        await bridge.close()
        return {path: set(resource.methods) for path, resource in found.items()}

    document = openapi_document(ServiceLimits(), admin_mode=admin_mode)
    described = {
        path: {name.upper() for name in item if name != "parameters"}
        for path, item in document["paths"].items()
    }
    assert described == asyncio.run(served())


def test_every_parameter_of_a_path_is_described() -> None:
    document = openapi_document(ServiceLimits(), admin_mode=True)
    for path, item in document["paths"].items():
        named = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        shared = {one["$ref"].rsplit("/", 1)[1] for one in item.get("parameters", [])}
        assert shared == named


def test_it_is_served_with_the_limits_of_the_server() -> None:
    limits = ServiceLimits(max_queues_per_page=7)
    with serve(limits=limits) as live:
        response = httpx.get(f"{live.url}/v2/openapi.json")
        assert response.headers["Content-Type"] == "application/json"
        assert response.json() == openapi_document(limits, admin_mode=False)
