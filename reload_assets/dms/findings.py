"""The findings of the linters: a mistake, the rule that has it, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.vocabulary import MEANT
from reload_assets.errors import closest


@dataclass(frozen=True)
class Finding:
    """A mistake: its stable ``code``, one of ``codes.LINT_FINDINGS``, and a message with the fix.

    ``rule_id`` is None if the mistake is not in one single rule.
    """

    rule_id: str | None
    code: str
    message: str

    def __str__(self) -> str:
        place = f"Rule {self.rule_id}: " if self.rule_id else ""
        return f"{place}{self.message} [{self.code}]"


def rule_id(rule: Mapping[str, Any]) -> str | None:
    """Return the rule-id as text; None if the rule has none."""
    found = rule.get("rule-id")
    return None if found in (None, "") else str(found)


def locator(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object-locator; empty if the rule has none."""
    found = rule.get("object-locator")
    return found if isinstance(found, Mapping) else {}


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the fix for an unknown word: the most similar known word, or all known words."""
    words = list(known)
    meant = MEANT.get(str(word))
    if meant not in words:
        meant = closest(str(word), words)
    return f"did you mean {meant}?" if meant else f"DMS knows {', '.join(words)}."
