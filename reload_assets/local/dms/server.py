"""The stand-in as an HTTP server on the loopback interface."""

from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from reload_assets.local.dms.control import Control
from reload_assets.local.dms.engine import Delays
from reload_assets.local.dms.faults import DropConnection, Faults, Throttle
from reload_assets.local.dms.protocol import TARGET_PREFIX, ApiError, read_request, write_answer
from reload_assets.local.dms.state import StateFile

_log = logging.getLogger(__name__)


class DmsStandIn:
    """AWS DMS on ``http://127.0.0.1:<port>``; a context manager.

    With a ``state`` file (readable by its owner only, because it holds logins), running tasks are resumed after a
    restart, even after ``kill -9``. Without one, everything ends with the stand-in. The delays are how long a task
    stays in creating, starting, stopping and deleting, in seconds. ``faults`` takes faults on demand; another process
    sets them with ``POST <url>/faults``.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        state: Path | None = None,
        create_delay: float = 0.2,
        start_delay: float = 0.2,
        stop_delay: float = 0.2,
        delete_delay: float = 0.2,
    ) -> None:
        self.faults = Faults()
        delays = Delays(create=create_delay, start=start_delay, stop=stop_delay, delete=delete_delay)
        self._control = Control(delays, self.faults, StateFile(state) if state else None)
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The endpoint URL for boto3."""
        if self._server is None:
            raise RuntimeError("The stand-in is not started.")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> DmsStandIn:
        """Bind the port (0: a free one) and serve in the background. Raises OSError if the port is taken."""
        self._server = _Server(self._port, self._control, self.faults)
        self._control.restart()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="dms-http", daemon=True)
        self._thread.start()
        return self

    def slowest_apply(self, task_arn: str) -> float:
        """Return the longest time in seconds that one statement of a CDC task took on the target, one that still runs
        among them. Raises KeyError for an unknown task.
        """
        return self._control.tasks.measures(task_arn).slowest

    def reset_slowest_apply(self, task_arn: str) -> None:
        """Start measuring again. Raises KeyError for an unknown task."""
        self._control.tasks.measures(task_arn).reset()

    def deadlocks(self, task_arn: str) -> int:
        """Return how many transactions of a CDC task were applied again after a deadlock on the target. Raises KeyError
        for an unknown task.
        """
        return self._control.tasks.measures(task_arn).deadlocks

    def close(self) -> None:
        """Stop answering, also on connections that are kept alive, and end every engine."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server.drop_clients()
        self.faults.clear()
        self._control.close()

    def __enter__(self) -> DmsStandIn:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, control: Control, faults: Faults) -> None:
        self.control, self.faults = control, faults
        self._clients: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def drop_clients(self) -> None:
        for client in list(self._clients):
            self.shutdown_request(client)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("A client's connection ended early.", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # keep-alive
    wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/faults":
            self._change_faults(body)
        else:
            self._call(self.headers.get("X-Amz-Target", "").removeprefix(TARGET_PREFIX), body)

    def do_GET(self) -> None:
        if self.path == "/faults":
            self._answer(200, json.dumps(self.server.faults.described()).encode())
        else:
            self._answer(404, b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)

    def _call(self, operation: str, body: bytes) -> None:
        if self.server.faults.strike(DropConnection, operation):
            self.close_connection = True
            return
        try:
            if self.server.faults.strike(Throttle, operation):
                raise ApiError("ThrottlingException", "Rate exceeded")
            answer = write_answer(operation, self.server.control.call(operation, read_request(operation, body)))
        except ApiError as error:
            self._answer(400, json.dumps({"__type": error.code, "message": str(error)}).encode())
        except Exception:
            _log.exception("%s broke.", operation)
            self._answer(500, json.dumps({"__type": "InternalFailure", "message": f"{operation} broke."}).encode())
        else:
            self._answer(200, answer)

    def _change_faults(self, body: bytes) -> None:
        try:
            self.server.faults.change(json.loads(body))
        except ValueError as error:
            self._answer(400, json.dumps({"message": str(error)}).encode())
        else:
            self._answer(200, json.dumps(self.server.faults.described()).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)
