"""How long to wait for DMS, and how often to poll it.

botocore's own waiters are not used: they poll for 15 minutes at most, and treat a load that has not begun yet, or is
already over, as a failure.
"""

from __future__ import annotations

from dataclasses import dataclass

from reload_assets.retries import Pauses, calling_dms, watching_dms


@dataclass(frozen=True)
class PollLimits:
    """The limits of waiting, in seconds; ``call_attempts`` is a number.

    The first polls are ``interval`` apart, later ones up to ``max_interval``. ``ready_timeout`` limits each wait for a
    new task or a connection test (DMS takes about 20 s), ``load_timeout`` each wait for a load, ``remove_timeout`` the
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
        """The pauses between two polls of a task."""
        return watching_dms(self.interval, self.max_interval)

    @property
    def calling(self) -> Pauses:
        """The pauses before a throttled or unanswered call is sent again."""
        return calling_dms(self.interval, self.max_interval)
