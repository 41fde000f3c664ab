"""Errors of the target database."""

from __future__ import annotations

from reload_assets.errors import TargetError, sample


class DatabaseUnreachable(TargetError):
    """The target could not be reached, or refused the login."""

    code = "target-unreachable"
    advice = "Check that the server runs, the address in `target.connection`, and the password's variable or secret."
    example = sample(login="reload@db.example:5432/sales", reason="connection refused")

    def __init__(self, login: str, reason: str) -> None:
        super().__init__(
            f"target.connection: cannot log in to PostgreSQL as {login} ({reason}); check the server, the address "
            "and the password's variable or secret."
        )


class SessionLost(TargetError):
    """The session on the target was lost in the middle of a step other than the merge."""

    code = "session-lost"
    advice = "See whether the server was restarted, the network cut, or this process paused; launch the window again."
    example = sample(said="server closed the connection unexpectedly")

    def __init__(self, said: str) -> None:
        super().__init__(
            f"The session on the target database was lost in the middle of this step ({said}); see whether the server "
            "was restarted, the network cut, or this process paused, and launch the window again."
        )


class StatementRefused(TargetError):
    """PostgreSQL refused a statement of a step other than the merge."""

    code = "statement-refused"
    advice = "Fix the cause that PostgreSQL names, often a missing right, and launch the window again."
    example = sample(said="permission denied for table orders")

    def __init__(self, said: str) -> None:
        super().__init__(
            f"The target database refused a statement of this step: {said}; fix that and launch the window again."
        )
