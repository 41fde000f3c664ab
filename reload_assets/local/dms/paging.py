"""Filters, pages and names, as every Describe call has them."""

from __future__ import annotations

import base64
import re
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from reload_assets.local.dms.protocol import invalid

_T = TypeVar("_T")
_ARN_ALPHABET = string.ascii_uppercase + "234567"


def new_arn(kind: str, chosen: str | None = None) -> str:
    """Return an ARN with an opaque suffix, which does not hold the identifier, or with the ResourceIdentifier asked
    for.
    """
    suffix = chosen or "".join(secrets.choice(_ARN_ALPHABET) for _ in range(26))
    return f"arn:aws:dms:us-east-1:000000000000:{kind}:{suffix}"


def checked_identifier(parameter: str, identifier: str, longest: int) -> str:
    """Return the identifier as the service keeps it, in lower case.

    Raises ApiError unless it is 1 to ``longest`` letters, digits and single hyphens and starts with a letter.
    """
    if len(identifier) > longest or not re.fullmatch(r"[A-Za-z](?:-?[A-Za-z0-9])*", identifier):
        raise invalid(
            f"The parameter {parameter} must be provided and must not be longer than {longest} characters. It must "
            "begin with a letter, contain only ASCII letters, digits and hyphens, and must not end with a hyphen or "
            "contain two consecutive hyphens."
        )
    return identifier.lower()


def select(
    items: Sequence[_T], request: Mapping[str, Any], values: Mapping[str, Callable[[_T], tuple[str, ...]]]
) -> list[_T]:
    """Return the items that fit every filter; ``values`` gives an item's values by filter name.

    Raises ApiError for a filter that the call does not have.
    """
    chosen = list(items)
    for one in request.get("Filters", []):
        if one["Name"] not in values:
            raise invalid(f"The filter name {one['Name']} is not valid; valid are {', '.join(sorted(values))}.")
        of = values[one["Name"]]
        chosen = [item for item in chosen if set(of(item)) & set(one["Values"])]
    return chosen


def page(items: Sequence[_T], request: Mapping[str, Any], *, most: int = 100) -> tuple[list[_T], str | None]:
    """One page and the Marker of the next one; MaxRecords is 20 to ``most``, by default 100.

    Raises ApiError for MaxRecords outside of that and for a Marker that no answer gave.
    """
    size = request.get("MaxRecords", 100)
    if not 20 <= size <= most:
        raise invalid(f"Invalid value for MaxRecords: {size}. It must be between 20 and {most}.")
    start = 0
    if marker := request.get("Marker"):
        try:
            start = int(base64.urlsafe_b64decode(marker).removeprefix(b"from:"))
        except ValueError:
            raise invalid(f"Invalid marker: {marker}") from None
    end = start + size
    following = base64.urlsafe_b64encode(b"from:%d" % end).decode() if end < len(items) else None
    return list(items[start:end]), following
