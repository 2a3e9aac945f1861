"""JSON in: reading and decoding the body of a request (spec 2.2, "JSON body rules")."""

import json
from typing import Any, TypeVar

import msgspec

from mqcore.service.validation import MAX_DEPTH, is_deeper

from .errors import BAD_BODY, UNSUPPORTED_MEDIA_TYPE, Kind, Refusal
from .request import Request

__all__ = ["SMALL_BODY", "decode", "decode_object", "read_body"]

T = TypeVar("T")

SMALL_BODY = 65_536
"""The longest body of a request that stores nothing of arbitrary size (bytes)."""

INTEGERS = range(-(2**63), 2**63)
DIGITS = bytes(ord("0") if ord("0") <= byte <= ord("9") else ord(" ") for byte in range(256))
SUSPECT = b"0" * 19
"""What 19 digits in a row become under the table DIGITS: fewer always fit 64 bits."""

_any = msgspec.json.Decoder(Any)


async def read_body(
    req: Request, limit: int, *, too_long: Kind = BAD_BODY, optional: bool = False
) -> bytes:
    """The body of the request. Raises Refusal when it is missing, too long or encoded."""
    exchange = req.exchange
    if b"content-encoding" in exchange.headers:
        _check_encoding(req)
    data = await exchange.body(limit, too_long)
    if not data and not optional:
        raise Refusal(BAD_BODY, "this request needs a JSON body")
    return data


def _check_encoding(req: Request) -> None:
    encoding = req.get_header("Content-Encoding")
    if encoding and encoding.lower() != "identity":
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without a Content-Encoding header"
        )


def decode(decoder: "msgspec.json.Decoder[T]", data: bytes) -> T:
    """Decode JSON into what the decoder describes. Raises Refusal of the kind BAD_BODY."""
    try:
        # msgspec skips over what it keeps as raw JSON without a look at its encoding.
        data.decode()
        value = decoder.decode(data)
        if SUSPECT in data.translate(DIGITS):
            json.loads(data, parse_int=_checked_integer)
    except UnicodeDecodeError:
        raise Refusal(BAD_BODY, "the body must be JSON in UTF-8") from None
    except RecursionError:
        raise Refusal(BAD_BODY, "the body is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as exc:
        raise Refusal(BAD_BODY, f"the body is not acceptable: {exc}") from None
    return value


def decode_document(data: bytes) -> dict[str, Any] | list[Any]:
    """Decode JSON whose top level is an object or an array."""
    value = decode(_any, data)
    if not isinstance(value, (dict, list)):
        raise Refusal(BAD_BODY, "the body must be a JSON object")
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        raise Refusal(BAD_BODY, f"the body is nested more than {MAX_DEPTH} levels deep")
    return value


def decode_object(data: bytes, *, otherwise: Kind = BAD_BODY) -> dict[str, Any]:
    """Decode a JSON object; an array is refused as `otherwise`, anything else as BAD_BODY."""
    value = decode_document(data)
    if not isinstance(value, dict):
        raise Refusal(otherwise, "the body must be a JSON object")
    return value


def _checked_integer(text: str) -> int:
    # The length first: converting thousands of digits takes long, and Python refuses it.
    if len(text) > 20 or int(text) not in INTEGERS:
        raise ValueError("an integer does not fit into 64 bits")
    return int(text)
