"""A session with Oracle, by the real driver: how its connection is encrypted, and what is set in it first."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import oracledb
import pytest
import sqlalchemy as sa

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.config.model import parse_config
from reload_assets.errors import SourceUnavailable
from reload_assets.errors.config import ConfigValue
from reload_assets.errors.source import SourceEncryption, SourceUnreachable
from reload_assets.reload.logins import source_reader
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.source.session import ORACLE_SESSION, SourceSession, exact_values
from reload_assets_tests.certificates import make_authority, make_certificate

PASSWORD = "t0p-secret/and@odd"


def oracle_url(port: int = 1521, host: str = "127.0.0.1") -> sa.URL:
    return source_url("oracle", host=host, port=port, database="SALESPDB", user="RELOAD", password=PASSWORD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, and the wallets ``ours`` and ``other``, each with the authority of its name."""
    made = tmp_path_factory.mktemp("wallets")
    for name in ("ours", "other"):
        authority = make_authority(made, name).read_text(encoding="utf-8")
        (made / name).mkdir()
        (made / name / "ewallet.pem").write_text(authority, encoding="utf-8")
    make_certificate(made, "server", authority="ours", subject="127.0.0.1")
    return made


@contextmanager
def encrypted_listener(folder: Path) -> Iterator[int]:
    """A listener with TLS that knows no service: who gets that answer was let through by the certificates."""
    text = b"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=12514)(ERROR_STACK=(ERROR=(CODE=12514)(EMFI=4))))"
    payload = struct.pack(">BBH", 0, 0, len(text)) + text
    # A TNS packet: length, checksum, type 4 (refuse), flags, header checksum.
    packet = struct.pack(">HHBBH", 8 + len(payload), 0, 4, 0, 0) + payload
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    def answer() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(client, server_side=True) as encrypted:
                    encrypted.recv(4096)
                    encrypted.sendall(packet)
                    # Who closes with something unread resets the connection, and the answer with it.
                    while encrypted.recv(4096):
                        pass
            except OSError:
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def refusal(folder: Path, tls: dict[str, Any], kind: type[SourceUnavailable]) -> str:
    with encrypted_listener(folder) as port:
        session = SourceSession(60, {"protocol": "tcps", **tls})
        with SourceReader(oracle_url(port), "SALES", session=session) as reader, pytest.raises(kind) as failure:
            reader.check()
    assert PASSWORD not in failure.value.sentence
    assert "\n" not in failure.value.sentence
    return failure.value.sentence


@pytest.mark.parametrize("names", [{}, {"ssl_server_cert_dn": "CN=127.0.0.1"}])
def test_a_wallet_with_the_servers_authority_lets_it_in(folder: Path, names: dict[str, str]) -> None:
    said = refusal(folder, {"wallet_location": str(folder / "ours"), **names}, SourceUnreachable)
    assert 'Service "SALESPDB" is not registered with the listener' in said


@pytest.mark.parametrize(
    ("wallet", "names", "reason"),
    [
        ("other", {}, "certificate verify failed"),
        ("nowhere", {}, "wallet file "),
        (None, {}, "certificate verify failed"),
        ("ours", {"ssl_server_cert_dn": "CN=another"}, "distinguished name (DN)"),
    ],
)
def test_another_server_is_not_taken_for_it(
    folder: Path, wallet: str | None, names: dict[str, str], reason: str
) -> None:
    located = {} if wallet is None else {"wallet_location": str(folder / wallet)}
    said = refusal(folder, {**located, **names}, SourceEncryption)
    assert reason in said
    assert said.endswith("check protocol, wallet_location and ssl_server_cert_dn in source.connection.")


SOURCE = """
source:
  schema: SALES
  connection: {{host: 127.0.0.1, port: {port}, database: SALESPDB, user: RELOAD, password: {{env: P}}, {tls}}}
target: {{connection: {{host: h, port: 1, database: d, user: u, password: {{env: P}}}}}}
dms: {{replication_instance_arn: a, source_endpoint_arn: b, target_endpoint_arn: c}}
windows: {{first: 2025-01-01}}
groups: {{sales: {{tables: {{orders: {{window_column: updated_at}}}}}}}}
"""


def test_the_fields_of_the_configuration_reach_the_driver(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", PASSWORD)
    tls = f"protocol: tcps, wallet_location: {folder}/ours, ssl_server_cert_dn: CN=127.0.0.1, call_timeout_seconds: 5"
    with encrypted_listener(folder) as port:
        reader = source_reader(parse_config(SOURCE.format(port=port, tls=tls)), str, Delivery)
        assert reader is not None
        with reader, pytest.raises(SourceUnreachable, match='Service "SALESPDB" is not registered'):
            reader.check()
    with pytest.raises(ConfigValue, match="source.connection.wallet_location: '.*ewallet.pem' is not a file"):
        source_reader(
            parse_config(SOURCE.format(port=1, tls=f"protocol: tcps, wallet_location: {folder}")), str, Delivery
        )


@dataclass
class Sent:
    """A connection of the driver that notes what it is given."""

    statements: list[str] = field(default_factory=list)
    call_timeout: int = 0
    outputtypehandler: Any = None

    def cursor(self) -> Sent:
        return self

    def execute(self, statement: str) -> None:
        self.statements.append(statement)

    def rollback(self) -> None:
        """Nothing is open."""

    close = rollback

    def __enter__(self) -> Sent:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""


def test_a_session_compares_byte_by_byte_in_utc_and_no_call_lasts_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    sent = Sent()

    def connect(**arguments: Any) -> Sent:
        asked.append(arguments)
        return sent

    monkeypatch.setattr(oracledb, "connect", connect)
    with SourceReader(oracle_url(), "SALES", session=SourceSession(90.5)) as reader:
        # The rest of SQLAlchemy's first connection asks an Oracle things.
        reader._engine.dialect.initialize = lambda connection: None  # type: ignore[method-assign]
        reader._engine.raw_connection()
    assert sent.statements == [ORACLE_SESSION]
    assert ORACLE_SESSION.split() == (
        ["ALTER", "SESSION", "SET", "NLS_COMP", "=", "BINARY", "NLS_SORT", "=", "BINARY", "TIME_ZONE", "=", "'+00:00'"]
    )
    assert sent.call_timeout == 90_500
    assert sent.outputtypehandler is exact_values
    (arguments,) = asked
    assert (arguments["tcp_connect_timeout"], arguments["expire_time"]) == (10, 1)
    assert "(PROTOCOL=TCP)" in arguments["dsn"]


def test_the_drivers_address_is_an_encrypted_one() -> None:
    session = SourceSession(60, {"protocol": "tcps", "wallet_location": "/wallet", "ssl_server_dn_match": False})
    arguments = session.connect_args(oracle_url(host="db.example"))
    assert arguments.pop("dsn") is None
    asked = oracledb.ConnectParams(**arguments)
    assert asked.ssl_server_dn_match is False
    for part in ("(PROTOCOL=tcps)(HOST=db.example)(PORT=1521)", "(SERVICE_NAME=SALESPDB)", "_DIRECTORY=/wallet)"):
        assert part in asked.get_connect_string()


def test_the_stand_ins_statements_are_limited_too() -> None:
    url = source_url("postgresql", host="h", port=1, database="d", user="u", password="p")
    assert SourceSession(1.5).connect_args(url) == {"connect_timeout": 10, "options": "-c statement_timeout=1500"}
