"""Runs a command and ends it, with all that it has started, when whoever started the keeper is gone.

Dagster ends its own processes only if it is asked to, and only while its database answers. A code server with a run
outlives a ``make ui`` that was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from functools import partial

from reload_assets.local.postgres import die_with_parent

_POLL_SECONDS = 0.5
_GENTLE_SECONDS = 20


def main() -> int:
    """Run the command of the arguments until it ends, or until standard input is closed. Returns its exit code."""
    server = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # Dagster ends its own processes on an interrupt, and would leave them on SIGTERM.
        preexec_fn=partial(die_with_parent, signal.SIGINT),
    )
    # The other end of the pipe is closed no matter how its process ends. Nobody writes into it.
    while server.poll() is None and not select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
        pass
    return _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> int:
    """End the server and all that is left of its session, gently first. Returns the exit code."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_GENTLE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
