"""The other ends of notifications on the loopback interface: SNS's Publish, and Slack's chat.postMessage."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

_PUBLISHED = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>{number}</MessageId>'
    "</PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>"
)
_REFUSED = (
    '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
    "<Code>AuthorizationError</Code><Message>User is not authorized</Message></Error><RequestId>r</RequestId>"
    "</ErrorResponse>"
)


@dataclass
class Receiver:
    """What arrived, and how many of the next messages are refused."""

    url: str
    taken: list[dict[str, str]] = field(default_factory=list)
    refuse: int = 0

    def take(self, message: dict[str, str]) -> bool:
        """Keep a message, unless it is to be refused. Returns whether it was kept."""
        if self.refuse:
            self.refuse -= 1
            return False
        self.taken.append(message)
        return True


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = dict(parse_qsl(body)) if "json" not in self.headers["Content-Type"] else json.loads(body)
        if self.path.endswith("chat.postMessage"):
            sent["Authorization"] = self.headers["Authorization"]
            taken = self.receiver.take(sent)
            self._answer(200, json.dumps({"ok": taken} if taken else {"ok": False, "error": "channel_not_found"}))
            return
        assert sent["Action"] == "Publish", sent
        # Credential=<key>/<day>/<region>/sns/aws4_request
        sent["region"] = self.headers["Authorization"].split("/")[2]
        if self.receiver.take(sent):
            self._answer(200, _PUBLISHED.format(number=len(self.receiver.taken)))
        else:
            self._answer(403, _REFUSED)

    def _answer(self, status: int, text: str) -> None:
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/xml")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve on a free port inside the context."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.receiver = Receiver(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield handler.receiver  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
