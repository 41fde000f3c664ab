"""Names in object locators: what DMS's wildcards match.

``%`` matches any text, ``_`` any one character, ``[_]`` an underscore, ``[ab]`` and ``[a-d]`` one character of a set
(AWS DMS user guide, "Wildcards in table mapping"). Matching is case-sensitive.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(r"\[[^\]]+\]|.", re.DOTALL)
_ANY = "%"


def matches(pattern: str, name: str) -> bool:
    """Return whether the pattern matches the name, which is taken literally."""
    return _overlap(tuple(_TOKEN.findall(pattern)), tuple(_literal(character) for character in name))


def overlap(one: str, other: str) -> bool:
    """Return whether there can be a name that matches both patterns."""
    return _overlap(tuple(_TOKEN.findall(one)), tuple(_TOKEN.findall(other)))


def narrower(one: str, other: str) -> bool:
    """Return whether the first pattern is a special case of the second. Its own wildcards count as plain characters."""
    return one != other and matches(other, one) and not matches(one, other)


def is_wild(name: str) -> bool:
    """Return whether the name has a wildcard other than ``_``; many exact names have an underscore."""
    return _ANY in name or re.search(r"\[[^\]]+\]", name) is not None


def has_underscore_wildcard(name: str) -> bool:
    """Return whether the name has an ``_`` that is not written ``[_]``."""
    return "_" in _TOKEN.findall(name)


def escaped(name: str) -> str:
    """Return a pattern that matches only this name."""
    return "".join(_literal(character) for character in name)


def _literal(character: str) -> str:
    return f"[{character}]" if character in "_%[" else character


@lru_cache(maxsize=4096)
def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one and not other:
        return True
    if one and one[0] == _ANY:
        return _overlap(one[1:], other) or (bool(other) and _overlap(one, other[1:]))
    if other and other[0] == _ANY:
        return _overlap(other, one)
    return bool(one and other) and _share_a_character(one[0], other[0]) and _overlap(one[1:], other[1:])


def _share_a_character(one: str, other: str) -> bool:
    if "_" in (one, other):
        return True
    return bool(_characters(one) & _characters(other))


@lru_cache(maxsize=1024)
def _characters(token: str) -> frozenset[str]:
    if len(token) == 1:
        return frozenset(token)
    found: set[str] = set()
    for low, high, single in re.findall(r"(.)-(.)|(.)", token[1:-1], re.DOTALL):
        found.update(single or (chr(code) for code in range(ord(low), ord(high) + 1)))
    return frozenset(found)
