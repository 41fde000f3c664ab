"""``python -m reload_assets.local.dms --port 0``: serve until SIGTERM or SIGINT; the first line printed is the URL."""

from __future__ import annotations

import argparse
import logging
import signal
from pathlib import Path

from reload_assets.local.dms.server import DmsStandIn
from reload_assets.local.postgres import die_with_parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m reload_assets.local.dms", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--state", type=Path, help="file that keeps endpoints (with logins) and tasks")
    parser.add_argument("--parent-death", action="store_true", help="end when the parent process dies (Linux)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # The main thread waits for the signals. It installs no handler, because not every signal would wake it to run one.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    if options.parent_death:
        die_with_parent(signal.SIGTERM)
    with DmsStandIn(port=options.port, state=options.state) as dms:
        print(dms.url, flush=True)
        signal.sigwait(ending)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
