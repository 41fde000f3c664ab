"""The findings of the linters: a mistake, the rule that has it, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reload_assets.dms.lint_codes import LINT_FINDINGS, LintCode
from reload_assets.dms.patterns import is_exact
from reload_assets.dms.vocabulary import MEANT
from reload_assets.errors import closest


@dataclass(frozen=True)
class Fix:
    """A value that fixes a finding: it goes to ``member`` of the finding's rule, such as ``object-locator.table-name``.

    Members of a filter are counted from 0: ``filters.0.column-name``.
    """

    member: str
    value: str


@dataclass(frozen=True)
class Finding:
    """A mistake: its stable ``code``, one of ``LINT_FINDINGS``, and a message with the fix.

    ``rule_id`` is None if the mistake is not in one single rule, ``fix`` if no single value would fix it.
    """

    rule_id: str | None
    code: str
    message: str
    fix: Fix | None = None

    def __str__(self) -> str:
        place = f"Rule {self.rule_id}: " if self.rule_id else ""
        return f"{place}{self.message} [{self.code}]"

    @property
    def kind(self) -> LintCode:
        """What the code stands for: its severity and its source."""
        return LINT_FINDINGS[self.code]


def rule_id(rule: Mapping[str, Any]) -> str | None:
    """Return the rule-id as text; None if the rule has none."""
    found = rule.get("rule-id")
    return None if found in (None, "") else str(found)


def locator(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object-locator; empty if the rule has none."""
    found = rule.get("object-locator")
    return found if isinstance(found, Mapping) else {}


def whole_number(value: object) -> int | None:
    """Return the value as a whole number, written as one or as a text of ASCII digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the fix for an unknown word: the most similar known word, or all known words."""
    words = list(known)
    meant = nearest(word, words)
    return f"did you mean {meant}?" if meant else f"DMS knows {', '.join(words)}."


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that was meant; None where none is near."""
    words = list(known)
    meant = MEANT.get(str(word))
    return meant if meant in words else closest(str(word), words)


def unknown_word(number: str | None, code: str, member: str, word: object, known: Iterable[str]) -> Finding:
    """Return the finding of a word that DMS does not know; its fix is the nearest one that it knows."""
    words = list(known)
    meant = nearest(word, words)
    message = f"DMS knows no {member.rpartition('.')[2]} {word!r}; {did_you_mean(word, words)}"
    return Finding(number, code, message, Fix(member, meant) if meant else None)


def inexact_names(rule: Mapping[str, Any], what: str) -> Iterator[Finding]:
    """The names of a rule's table that hold a wildcard; ``what`` is the rule, which wants them exact."""
    for key in ("schema-name", "table-name"):
        name = str(locator(rule).get(key) or "")
        if not is_exact(name):
            plain = name.replace("[_]", "_")
            fix = Fix(f"object-locator.{key}", plain) if is_exact(plain) else None
            advice = f"write {plain!r}" if fix else "write one rule for each table"
            said = f"{what} wants an exact {key}, and {name!r} has a wildcard; {advice}."
            yield Finding(rule_id(rule), "wildcard-in-exact-name", said, fix)
