"""How long to wait for DMS, and how often to ask.

botocore's own waiters poll for 15 minutes at most, and take a load that has not begun yet, or is already over, for a
failure.
"""

from __future__ import annotations

from dataclasses import dataclass

from reload_assets.retries import Pauses, calling_dms, watching_dms


@dataclass(frozen=True)
class PollLimits:
    """How patiently to wait; all but ``call_attempts`` are seconds.

    Polls start ``interval`` apart and end up ``max_interval`` apart. ``ready_timeout`` limits each wait for a new task
    or a connection test (DMS takes about 20 s), ``load_timeout`` a load as seen by one wait, ``remove_timeout`` the
    stopping and deleting of a task (DMS takes about 6 minutes). A throttled or unanswered call is tried
    ``call_attempts`` times.
    """

    interval: float
    max_interval: float
    ready_timeout: float
    load_timeout: float
    remove_timeout: float
    call_attempts: int

    @property
    def watching(self) -> Pauses:
        """The pauses between looks at a task."""
        return watching_dms(self.interval, self.max_interval)

    @property
    def calling(self) -> Pauses:
        """The pauses before a throttled or unanswered call is sent again."""
        return calling_dms(self.interval, self.max_interval)
