"""Names in object locators: what DMS's wildcards match.

``%`` matches any text, ``_`` any one character, ``[_]`` an underscore, ``[ab]`` and ``[a-d]`` one character of a set
(AWS DMS user guide, "Wildcards in table mapping"). Matching is case-sensitive.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from reload_assets.dms.vocabulary import SPECIAL_CHARACTERS

_TOKEN = re.compile(r"\[[^\]]+\]|.", re.DOTALL)
_ANY = "%"


def matches(pattern: str, name: str) -> bool:
    """Return whether the pattern matches the name, which is taken literally."""
    return _meet(_tokens(pattern), _literals(name))


def overlap(one: str, other: str) -> bool:
    """Return whether there can be a name that matches both patterns."""
    return _meet(_tokens(one), _tokens(other))


def narrower(one: str, other: str) -> bool:
    """Return whether the first pattern is a special case of the second. Its own wildcards count as plain characters."""
    return one != other and matches(other, one) and not matches(one, other)


def is_wild(name: str) -> bool:
    """Return whether the name has a wildcard other than ``[_]`` and ``_``; many exact names have an underscore."""
    return any(token == _ANY or (len(token) > 1 and token != "[_]") for token in _TOKEN.findall(name))


def is_exact(name: str) -> bool:
    """Return whether the name has no wildcard except ``_``, which stands for itself where DMS wants an exact name."""
    return _ANY not in name and not any(len(token) > 1 for token in _TOKEN.findall(name))


def has_underscore_wildcard(name: str) -> bool:
    """Return whether the name has an ``_`` that is not written ``[_]``."""
    return "_" in _TOKEN.findall(name)


def transforms(column: str) -> bool:
    """Return whether DMS applies transformation rules to a column of this name.

    It does not if the name has a special character, or letters that are written from right to left (AWS DMS user guide,
    "Transformation rules and actions"). Such a column keeps the name, type and values that it has in the source.
    """
    return not set(SPECIAL_CHARACTERS) & set(column) and not reads_right_to_left(column)


def reads_right_to_left(name: str) -> bool:
    """Return whether the name has letters of a language that is written from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in name)


def literal_characters(pattern: str) -> str:
    """Return the characters of a pattern that stand for themselves, without its wildcards and sets."""
    return "".join(token for token in _TOKEN.findall(pattern) if token not in (_ANY, "_") and len(token) == 1)


def escaped(name: str) -> str:
    """Return a pattern that matches only this name."""
    return "".join(_literal(character) for character in name)


def _literal(character: str) -> str:
    return f"[{character}]" if character in "_%[" else character


@lru_cache(maxsize=16384)
def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(pattern))


@lru_cache(maxsize=16384)
def _literals(name: str) -> tuple[str, ...]:
    return tuple(_literal(character) for character in name)


def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether the tokens can match one text. Most names differ before their first ``%``, which is soon found."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left == _ANY or right == _ANY:
            return _meet_anywhere(one[at:], other[at:])
        if left != right and not _share_a_character(left, right):
            return False
    longer = one if len(one) > len(other) else other
    return all(token == _ANY for token in longer[min(len(one), len(other)) :])


def _meet_anywhere(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return the same: walk through both, and at a ``%`` try to continue in either."""
    ends = len(one), len(other)
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        at, there = waiting.pop()
        if (at, there) == ends:
            return True
        if (at < ends[0] and one[at] == _ANY) or (there < ends[1] and other[there] == _ANY):
            following = [(at + 1, there), (at, there + 1)]
        elif at < ends[0] and there < ends[1] and _share_a_character(one[at], other[there]):
            following = [(at + 1, there + 1)]
        else:
            following = []
        for place in following:
            if place[0] <= ends[0] and place[1] <= ends[1] and place not in seen:
                seen.add(place)
                waiting.append(place)
    return False


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
