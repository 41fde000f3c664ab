"""``python -m reload_assets.local.dms --port 0``: serve until SIGTERM or SIGINT; the first line printed is the URL."""

from __future__ import annotations

import argparse
import logging
import signal
import threading

from reload_assets.local.dms.server import DmsStandIn
from reload_assets.local.postgres import die_with_parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m reload_assets.local.dms", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--parent-death", action="store_true", help="end when the parent process dies (Linux)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: ended.set())
    if options.parent_death:
        die_with_parent(signal.SIGTERM)
    with DmsStandIn(port=options.port) as dms:
        print(dms.url, flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
