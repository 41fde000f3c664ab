"""An Oracle that cannot be read: the real driver's words, in one sentence, without the password."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import oracledb
import pytest
import sqlalchemy as sa

from reload_assets.errors import SourceUnavailable, closest
from reload_assets.errors.source import SourceDialectUnknown, SourceDriverMissing
from reload_assets.local.postgres import free_port
from reload_assets.source.failures import describe, failure
from reload_assets.source.reader import SourceReader, source_url
from reload_assets.source.session import exact_values

PASSWORD = "t0p-secret/and@odd"


def oracle_url(port: int) -> sa.URL:
    return source_url("oracle", host="127.0.0.1", port=port, database="SALESPDB", user="RELOAD", password=PASSWORD)


@contextmanager
def refusing_listener(reason: int) -> Iterator[int]:
    """An Oracle listener that answers every connect with TNS REFUSE."""
    text = f"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={reason})(ERROR_STACK=(ERROR=(CODE={reason})(EMFI=4))))".encode()
    payload = struct.pack(">BBH", 0, 0, len(text)) + text
    # A TNS packet: length, checksum, type 4 (refuse), flags, header checksum.
    packet = struct.pack(">HHBBH", 8 + len(payload), 0, 4, 0, 0) + payload

    def answer() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(packet)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('ORA-00942: table or view "SALES"."ORDERS" does not exist', "source-denied"),
        ("ORA-01031: insufficient privileges", "source-denied"),
        ("ORA-01555: snapshot too old", "source-snapshot-too-old"),
        ("DPY-4024: call timeout of 30000 ms exceeded", "source-call-timed-out"),
        ("ORA-01652: unable to extend temp segment", "source-unreadable"),
    ],
)
def test_a_read_that_fails_is_told_apart_by_the_drivers_words(said: str, code: str) -> None:
    assert failure("The source db", said).code == code


def refusal(url: sa.URL) -> str:
    with SourceReader(url, "SALES") as reader, pytest.raises(SourceUnavailable) as failure:
        reader.check()
    sentence = failure.value.sentence
    assert PASSWORD not in sentence
    assert quote(PASSWORD, safe="") not in sentence
    # Nothing that hangs on to the error tells either.
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_service_that_the_listener_does_not_know_is_said_in_oracles_words() -> None:
    with refusing_listener(12514) as port:
        sentence = refusal(oracle_url(port))
    assert sentence.startswith(f"The source oracle 127.0.0.1:{port}/SALESPDB as user RELOAD cannot be reached (")
    assert "ORA-12514" in sentence
    assert "DPY-6001" in sentence
    assert sentence.endswith("; check the address, the login and its password.")


def test_a_listener_that_refuses_for_another_reason_is_told_apart() -> None:
    with refusing_listener(12528) as port:
        sentence = refusal(oracle_url(port))
    assert "12528" in sentence
    assert "ORA-12514" not in sentence


def test_a_closed_port_is_said_to_be_closed() -> None:
    port = free_port()
    sentence = refusal(oracle_url(port))
    assert sentence.startswith(f"The source oracle 127.0.0.1:{port}/SALESPDB as user RELOAD cannot be reached (DPY-")
    assert "refused" in sentence.lower()
    assert "CONNECTION_ID" not in sentence


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oracledb", None)
    with pytest.raises(SourceDriverMissing) as failure:
        SourceReader(oracle_url(1521), "SALES")
    assert failure.value.sentence == (
        "The source oracle 127.0.0.1:1521/SALESPDB as user RELOAD needs the driver oracledb: install it "
        "(pip install 'reload_assets[oracle]')."
    )


def test_another_database_is_no_source() -> None:
    url = sa.URL.create("mysql", "RELOAD", PASSWORD, "db.example", database="sales")
    with pytest.raises(SourceDialectUnknown, match="mysql db.example/sales as user RELOAD .* not mysql"):
        SourceReader(url, "SALES")


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("oracle://u:p@db.example/?service_name=PDB", "oracle db.example:1521/PDB as user u"),
        ("oracle+oracledb://u:p@db.example:1600/SID", "oracle db.example:1600/SID as user u"),
        ("oracle+oracledb://u:p@tnsalias", "oracle tnsalias as user u"),
        ("postgresql+psycopg://u:p@db.example/sales", "postgresql db.example:5432/sales as user u"),
    ],
)
def test_a_source_is_described_by_place_and_user(url: str, described: str) -> None:
    assert describe(sa.make_url(url)) == described


def test_a_bare_url_gets_the_driver_that_we_install() -> None:
    with SourceReader(sa.make_url("oracle://u:p@db.example/?service_name=PDB"), "SALES") as reader:
        assert str(reader) == "oracle db.example:1521/PDB as user u"
        assert reader._engine.url.drivername == "oracle+oracledb"


def test_names_are_found_whatever_their_case() -> None:
    assert closest("orders", ["ORDERS", "ORDER_ITEMS"]) == "ORDERS"
    assert closest("Ordrs", ["ORDERS"]) == "ORDERS"
    assert closest("xyz", ["ORDERS"]) is None


def test_hazard_25_oracles_numbers_never_become_floats_and_lobs_are_fetched_whole() -> None:
    fetched: list[tuple[Any, int]] = []

    def var(kind: Any, arraysize: int) -> str:
        fetched.append((kind, arraysize))
        return "variable"

    cursor = SimpleNamespace(arraysize=500, var=var)
    for type_code, kind in (
        (oracledb.DB_TYPE_NUMBER, Decimal),
        (oracledb.DB_TYPE_CLOB, oracledb.DB_TYPE_LONG),
        (oracledb.DB_TYPE_NCLOB, oracledb.DB_TYPE_LONG_NVARCHAR),
        (oracledb.DB_TYPE_BLOB, oracledb.DB_TYPE_LONG_RAW),
    ):
        assert exact_values(cursor, SimpleNamespace(type_code=type_code)) == "variable"
        assert fetched.pop() == (kind, 500)
    assert exact_values(cursor, SimpleNamespace(type_code=oracledb.DB_TYPE_VARCHAR)) is None
    assert not fetched


def test_an_interrupt_is_not_taken_for_a_source_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy's clearing up may fail over the interrupt that it clears up after."""

    class Interrupted(BaseException):
        pass

    def connect() -> None:
        try:
            raise Interrupted
        except Interrupted as interrupt:
            raise sa.exc.OperationalError("", None, Exception("in transaction status ACTIVE")) from interrupt

    url = source_url("postgresql", host="127.0.0.1", port=1, database="d", user="u", password="p")
    with SourceReader(url, "SALES") as reader:
        monkeypatch.setattr(reader._engine, "connect", connect)
        with pytest.raises(Interrupted):
            reader.check()
