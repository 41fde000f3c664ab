"""Words an event as a message. It names what happened, and never a value of a row: errors come as their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reload_assets.errors.by_code import advice_for

CDC_STOPPED, CDC_BEHIND, CDC_RUNS = "cdc_stopped", "cdc_behind", "cdc_runs"

# What happened to the subject, and what to do about it.
_EVENTS: Mapping[str, tuple[str, str]] = {
    "reload_failed": (
        "{subject} failed",
        "Read its error in admin.reloads, fix the cause, and reload the window again.",
    ),
    "reload_cancelled": (
        "{subject} was cancelled, or its run died",
        "Reload the window again, unless somebody cancelled it on purpose.",
    ),
    "reload_rejected": (
        "{subject} was refused: its staged rows did not pass the checks {detail}",
        "Read the checks in admin.reload_checks; docs/troubleshooting.md says what to do about each.",
    ),
    "reload_unmerged": (
        "{subject} was refused before its merge was complete",
        "Read the error in the run, fix the cause, and materialize production of the window, without staging.",
    ),
    "reload_unconfirmed": (
        "{subject} is merged and unconfirmed, although its run may have succeeded",
        "Read confirm_detail in admin.reloads, fix the cause, and materialize production of the window again, without "
        "staging.",
    ),
    "request_refused": (
        "{subject} was refused",
        "Read its error in admin.reload_requests, and insert another request.",
    ),
    "request_held": (
        "what {subject} asks for is held back: {detail}",
        "Read with `reload-assets requests` why it is held.",
    ),
    "request_failed": (
        "{subject} failed before a reload was opened",
        "Read the error in its run, fix the cause, and insert another request.",
    ),
    CDC_STOPPED: (
        "CDC is stopped: {detail}",
        "Production gets no changes until the task runs again: find out in DMS why it stopped, and resume it.",
    ),
    CDC_BEHIND: (
        "CDC is behind: {detail}",
        "Look at the task's latency and its log in DMS. No reload begins until it has caught up.",
    ),
    CDC_RUNS: ("CDC runs again: {detail}", "Nothing."),
}

# SNS takes less than 100 ASCII characters without line breaks.
_LONGEST_SUBJECT = 99


@dataclass(frozen=True)
class Event:
    """A row of ``admin.notifications``, as it is sent."""

    notification_id: int
    event: str
    subject: str
    groups: list[str]
    partition_key: str | None
    tables: list[str] | None
    reload_id: int | None
    run_id: str | None
    error_code: str | None
    detail: str

    @property
    def title(self) -> str:
        """What happened, on one line."""
        what, _ = _EVENTS[self.event]
        return _one_line(what.format(subject=self.subject, detail=self.detail))

    @property
    def short_title(self) -> str:
        """The same in ASCII and with less than 100 characters."""
        head = f"reload_assets ({', '.join(self.groups)}): {self.title}"
        plain = _one_line(head).encode("ascii", "replace").decode()
        return plain if len(plain) <= _LONGEST_SUBJECT else f"{plain[: _LONGEST_SUBJECT - 3]}..."

    @property
    def facts(self) -> dict[str, str]:
        """What is known of it, by name; what is not known is left out."""
        found = {
            "group": ", ".join(self.groups),
            "window": self.partition_key,
            "tables": ", ".join(map(str, self.tables or ())),
            "reload": None if self.reload_id is None else str(self.reload_id),
            "run": self.run_id,
            "CDC task": self.subject if self.reload_id is None and self.subject.startswith("arn:") else None,
            "code": self.error_code,
        }
        return {name: _one_line(value) for name, value in found.items() if value}

    @property
    def what_to_do(self) -> str:
        """What the event asks for, then the advice for the error's code."""
        advice = advice_for(self.error_code) if self.error_code else None
        _, own = _EVENTS[self.event]
        return own if advice is None else f"{own} About {self.error_code}: {advice}"

    @property
    def text(self) -> str:
        """The whole message."""
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        return "\n".join([f"{self.title}.", *lines, f"what to do: {self.what_to_do}"])


def _one_line(text: str) -> str:
    """Return a text without line breaks and control characters: the names in it are users' own."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
