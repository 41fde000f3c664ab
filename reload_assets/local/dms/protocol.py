"""The wire of AWS DMS, JSON 1.1: requests checked and answers shaped by botocore's own service model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

_MODEL = botocore.session.get_session().get_service_model("dms")
TARGET_PREFIX = f"{_MODEL.metadata['targetPrefix']}."


class ApiError(Exception):
    """An answer of HTTP 400 with this error code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> ApiError:
    """InvalidParameterValueException, the code of most refusals (it is not in botocore's model)."""
    return ApiError("InvalidParameterValueException", message)


def not_found(message: str) -> ApiError:
    return ApiError("ResourceNotFoundFault", message)


def already_exists(message: str) -> ApiError:
    return ApiError("ResourceAlreadyExistsFault", message)


def wrong_state(message: str) -> ApiError:
    return ApiError("InvalidResourceStateFault", message)


def read_request(operation: str, body: bytes) -> dict[str, Any]:
    """Return the members of a request, timestamps as UTC datetimes.

    Raises ApiError for a body that is not a JSON object, an unknown or missing member, a wrong type or enum value.
    """
    if operation not in _MODEL.operation_names:
        raise ApiError("UnknownOperationException", f"{operation!r} is not an operation of AWS DMS.")
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"The request is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ApiError("SerializationException", "The request is not a JSON object.")
    shape = _MODEL.operation_model(operation).input_shape
    assert shape is not None
    request: dict[str, Any] = _decode(shape, document)
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise ApiError("ValidationException", report.generate_report())
    return request


def write_answer(operation: str, answer: Mapping[str, Any]) -> bytes:
    """Return the answer as JSON; members that the model marks as sensitive (passwords) are left out.

    Raises TypeError for a member that botocore's model does not know: a stand-in must never invent one.
    """
    shape = _MODEL.operation_model(operation).output_shape
    assert shape is not None
    return json.dumps(_encode(shape, answer)).encode()


def _decode(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        if unknown := sorted(set(value) - set(shape.members)):
            raise ApiError("SerializationException", f"{shape.name} has no member {', '.join(unknown)}.")
        return {name: _decode(shape.members[name], inner) for name, inner in value.items() if inner is not None}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_decode(shape.member, inner) for inner in value]
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return datetime.fromtimestamp(value, timezone.utc)
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        raise ApiError(
            "ValidationException",
            f"1 validation error detected: Value '{value}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(allowed)}]",
        )
    return value


def _encode(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        if unknown := sorted(set(value) - set(shape.members)):
            raise TypeError(f"{shape.name} has no member {', '.join(unknown)}")
        return {
            name: _encode(shape.members[name], inner)
            for name, inner in value.items()
            if inner is not None and not shape.members[name].metadata.get("sensitive")
        }
    if isinstance(shape, ListShape):
        return [_encode(shape.member, inner) for inner in value]
    if isinstance(shape, MapShape):
        return {key: _encode(shape.value, inner) for key, inner in value.items()}
    if shape.type_name == "timestamp":
        return value.timestamp()
    return value
