"""What is found before a reload, one thing at a time: a problem does not keep the rest from being looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.errors import QueryCanceled

from reload_assets.errors import ReloadError
from reload_assets.errors.config import ConfigMistakes
from reload_assets.errors.source import SourceCallTimedOut
from reload_assets.preflight.codes import FINDINGS, Severity


@dataclass(frozen=True)
class Finding:
    """One finding. A ``problem`` keeps a reload from its end.

    ``code`` is stable: one of ``codes.FINDINGS``, of an error, of the examination of a CDC task or of the linter.
    ``place`` is what it is about: ``source``, ``target``, ``cdc``, ``dms``, a group, a production table.
    ``text`` is a whole sentence. ``fix`` is what to do, by itself; empty where nothing is to be done.
    """

    severity: Severity
    code: str
    place: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


def found(code: str, place: str, what: str, fix: str = "") -> Finding:
    """Return a finding of one of ``codes.FINDINGS``, which says how grave it is. ``what`` has no full stop."""
    return Finding(FINDINGS[code].severity, code, place, f"{what}; {fix}." if fix else f"{what}.", fix)


@dataclass
class Findings:
    """Findings in the order in which they are made; ``say`` gets each as soon as it is there."""

    say: Callable[[Finding], None]
    all: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> int:
        """The number of problems so far."""
        return self.count("problem")

    def count(self, severity: Severity) -> int:
        """Return how many findings of a severity there are so far."""
        return sum(finding.severity == severity for finding in self.all)

    def add(self, finding: Finding) -> None:
        """Add a finding, unless it is there already: a database that is down is met more than once."""
        if any((finding.code, finding.text) == (one.code, one.text) for one in self.all):
            return
        self.all.append(finding)
        self.say(finding)

    def take(self, place: str, findings: Iterable[Finding]) -> None:
        """Add findings as they are made. What is raised meanwhile becomes a finding about ``place``."""
        with self.looking(place):
            for finding in findings:
                self.add(finding)

    @contextmanager
    def looking(self, place: str) -> Iterator[None]:
        """Turn what is raised inside into a finding about ``place``, so that the next thing can be looked at."""
        try:
            yield
        except ConfigMistakes as error:
            for mistake in error.mistakes:
                self.add(_problem(place, mistake))
        except SourceCallTimedOut as error:
            self.add(_too_long(place, error.reason))
        except ReloadError as error:
            self.add(_problem(place, error))
        except QueryCanceled as error:
            self.add(_too_long(place, _first_line(error)))
        except psycopg.Error as error:
            self.add(found("look-refused", place, f"{place}: PostgreSQL says: {_first_line(error)}", "fix its cause"))
        except Exception as error:
            # Whatever it is: somebody wants to know of the other tables, too.
            said = f"{place}: {type(error).__name__}: {_first_line(error)}"
            self.add(found("look-failed", place, said, "report it as a defect of reload_assets"))


def _problem(place: str, error: ReloadError) -> Finding:
    return Finding("problem", error.code, place, error.sentence, error.advice)


def _too_long(place: str, reason: str) -> Finding:
    said = f"could not look at all of {place}: a statement took longer than doctor waits ({reason})"
    return found("look-timed-out", place, said, "run it again at a quieter time")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
