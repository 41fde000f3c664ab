"""What is found before a reload, one thing at a time: a problem does not keep the rest from being looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import psycopg

from reload_assets.errors import ReloadError

Severity = Literal["ok", "warn", "problem"]


@dataclass(frozen=True)
class Finding:
    """One finding. A ``problem`` keeps a reload from its end; its text ends with the code of the error."""

    severity: Severity
    text: str


@dataclass
class Findings:
    """Findings in the order in which they are made; ``say`` gets each as soon as it is there."""

    say: Callable[[Finding], None]
    found: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> int:
        """The number of problems so far."""
        return sum(finding.severity == "problem" for finding in self.found)

    def add(self, severity: Severity, text: str) -> None:
        """Add a finding, unless it is there already: a database that is down is met more than once."""
        finding = Finding(severity, text)
        if finding in self.found:
            return
        self.found.append(finding)
        self.say(finding)

    @contextmanager
    def looking(self, place: str) -> Iterator[None]:
        """Turn what is raised inside into a problem, so that the next thing can be looked at.

        ``place`` names what was looked at, for an error that does not say it itself.
        """
        try:
            yield
        except ReloadError as error:
            self.add("problem", str(error))
        except psycopg.Error as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self.add("problem", f"{place}: PostgreSQL says: {said}; fix its cause there.")
        except Exception as error:
            # Whatever it is: somebody wants to know of the other tables, too.
            said = (str(error).strip().splitlines() or ["no message"])[0]
            self.add("problem", f"{place}: {type(error).__name__}: {said}.")
