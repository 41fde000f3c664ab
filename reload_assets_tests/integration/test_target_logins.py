"""What is said of a target that cannot be used: a pooler, a standby, a server that is not the one that was meant."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from reload_assets.errors import TargetError
from reload_assets.errors.target import DatabaseUnreachable, TargetEncryption, TargetPooled, TargetReadOnly
from reload_assets.local.postgres import PostgresServer, free_port
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.verify.expectations import Expectation, validate
from reload_assets_tests.certificates import make_authority, make_certificate
from reload_assets_tests.integration.pooler import LOSES_SETTINGS, pooler
from reload_assets_tests.integration.standby import standby_of

_INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def login(server: PostgresServer, **changes: object) -> TargetDatabase:
    made = TargetDatabase("127.0.0.1", server.port, "postgres", server.superuser, server.password)
    return replace(made, **changes)  # type: ignore[arg-type]


def refusal(target: TargetDatabase, kind: type[TargetError]) -> str:
    """The sentence with which the target is refused; it is one line, and does not hold the password."""
    with pytest.raises(kind) as caught:
        target.connect()
    # Nothing that hangs on to the error tells either.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert target.password is None or target.password not in sentence or len(target.password) < 9
    return sentence


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_that_takes_no_settings_is_named(postgres: PostgresServer, mode: str) -> None:
    with pooler(postgres, f"pool_mode = {mode}") as port:
        said = refusal(login(postgres, port=port), TargetPooled)
    assert "is a connection pooler such as PgBouncer (" in said
    assert "unsupported startup parameter" in said
    assert said.endswith("; name the server itself. [target-pooled]")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_that_loses_settings_is_named(postgres: PostgresServer, mode: str) -> None:
    with pooler(postgres, f"pool_mode = {mode}", LOSES_SETTINGS) as port:
        said = refusal(login(postgres, port=port), TargetPooled)
    assert "(its server process is not the one that it names at the login)" in said


def test_a_standby_is_refused(postgres: PostgresServer) -> None:
    with standby_of(postgres) as standby:
        said = refusal(login(postgres, port=standby.port), TargetReadOnly)
    assert said.endswith("is read-only: it is a standby (pg_is_in_recovery); name the primary. [target-read-only]")


def test_a_closed_port_is_said_to_be_closed() -> None:
    port = free_port()
    said = refusal(TargetDatabase("127.0.0.1", port, "sales", "reload", "s3cret-of-production"), DatabaseUnreachable)
    assert f'(connection to server at "127.0.0.1", port {port} failed: Connection refused);' in said
    assert "Is the server running" not in said


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refusal(TargetDatabase(str(tmp_path), 5432, "sales", "reload", "s3cret-of-production"), DatabaseUnreachable)
    assert f'(connection to server on socket "{tmp_path}/.s.PGSQL.5432"' in said
    assert "failed: No such file or directory);" in said
    assert "Is the server running" not in said


def test_a_host_that_is_not_there_is_named() -> None:
    said = refusal(TargetDatabase("nowhere.invalid", 5432, "d", "u", "p"), DatabaseUnreachable)
    assert "nowhere.invalid" in said.partition("(")[2]


@pytest.mark.parametrize("change", [{"host": "db..example.com"}, {"host": "x" * 64}, {"password": "p\udcff"}])
def test_a_text_that_no_login_has_is_said_to_be_one(postgres: PostgresServer, change: dict[str, str]) -> None:
    said = refusal(login(postgres, **change), DatabaseUnreachable)
    assert " codec " in said
    assert said.endswith("check the server, the address and the password's variable or secret. [target-unreachable]")


@pytest.mark.parametrize(
    "password", ["a", "password", "wrong-1", "%41 'odd\\\"=pass", "host=elsewhere sslmode=disable"]
)
def test_a_password_does_not_show_in_the_reason_by_a_gap(postgres: PostgresServer, password: str) -> None:
    said = refusal(login(postgres, password=password), DatabaseUnreachable)
    assert 'failed: FATAL: password authentication failed for user "postgres")' in " ".join(said.split())
    assert "***" not in said


@dataclass
class Encrypted:
    """A server with TLS, and the folder of the certificates; ``certified`` logs in by a certificate alone."""

    server: PostgresServer
    folder: Path

    def login(self, **changes: object) -> TargetDatabase:
        """A login with which libpq verifies the server, unless ``changes`` say otherwise."""
        tls = {"sslmode": "verify-full", "sslrootcert": self.file("ours.crt")}
        return login(self.server, **{"tls": tls, **changes})

    def file(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Encrypted]:
    if not _INSTALLED:
        pytest.skip("the embedded PostgreSQL has no TLS, and the distribution's is not installed")
    folder = Path(tempfile.mkdtemp(prefix="reload-tls-"))
    folder.chmod(0o755)
    try:
        for name in ("ours", "other"):
            make_authority(folder, name)
        make_certificate(folder, "server", authority="ours", subject="127.0.0.1")
        make_certificate(folder, "client", authority="ours", subject="certified")
        if os.geteuid() == 0:
            # As root the server runs as nobody.
            shutil.chown(folder / "server.key", "nobody")
        names = {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ours.crt"}
        settings = {"ssl": "on", **{name: str(folder / file) for name, file in names.items()}}
        with PostgresServer(folder / "postgres", binaries=_INSTALLED[-1], settings=settings) as server:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CREATE ROLE certified LOGIN")
                (server.data / "pg_hba.conf").write_text(
                    "hostssl all certified all cert\nhostssl all postgres all scram-sha-256\n", encoding="utf-8"
                )
                connection.execute("SELECT pg_reload_conf()")
            made = Encrypted(server, folder)
            deadline = time.monotonic() + 10
            while True:
                try:
                    made.login(tls={"sslmode": "disable"}).connect().close()
                except TargetError:
                    break
                assert time.monotonic() < deadline, "the server does not take up its pg_hba.conf"
            yield made
    finally:
        shutil.rmtree(folder)


def _is_encrypted(target: TargetDatabase) -> bool:
    with target.connect() as connection:
        row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row is not None
        return bool(row[0])


def test_a_server_that_its_authority_has_signed_is_taken(encrypted: Encrypted) -> None:
    assert _is_encrypted(encrypted.login())


def test_libpqs_variables_stand_in_for_the_fields(encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", encrypted.file("ours.crt"))
    assert _is_encrypted(encrypted.login(tls={}))
    monkeypatch.setenv("PGSSLROOTCERT", encrypted.file("other.crt"))
    assert "certificate verify failed" in refusal(encrypted.login(tls={}), TargetEncryption)


def test_a_client_certificate_is_enough_to_log_in(encrypted: Encrypted) -> None:
    key = {"sslcert": encrypted.file("client.crt"), "sslkey": encrypted.file("client.key")}
    target = encrypted.login()
    certified = replace(target, user="certified", password=None, tls={**target.tls, **key})
    assert _is_encrypted(certified)
    said = refusal(replace(certified, tls=target.tls), TargetEncryption)
    assert "connection requires a valid client certificate" in said


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sslrootcert": "other.crt"}, "certificate verify failed"),
        ({"sslrootcert": "nowhere.crt"}, 'nowhere.crt" does not exist'),
        ({"sslcert": "client.crt", "sslkey": "nowhere.key"}, 'not private key file "'),
        ({"sslcert": "client.crt", "sslkey": "other.key"}, "key values mismatch"),
    ],
)
def test_another_authority_and_a_wrong_file_are_refused(
    encrypted: Encrypted, changes: dict[str, str], reason: str
) -> None:
    target = encrypted.login()
    tls = {**target.tls, **{name: encrypted.file(file) for name, file in changes.items()}}
    said = refusal(replace(target, tls=tls), TargetEncryption)
    assert said.startswith(f"target.connection: no encrypted connection to PostgreSQL as {target} (")
    assert reason in said
    assert said.endswith(
        "check sslmode, sslrootcert, sslcert and sslkey there, and the server's certificate. [target-encryption]"
    )


def test_a_server_of_another_name_is_refused(encrypted: Encrypted) -> None:
    said = refusal(encrypted.login(host="localhost"), TargetEncryption)
    assert 'does not match host name "localhost"' in said


def test_a_server_that_wants_encryption_and_one_that_has_none_are_told_apart(
    encrypted: Encrypted, postgres: PostgresServer
) -> None:
    assert "no encryption" in refusal(encrypted.login(tls={"sslmode": "disable"}), TargetEncryption)
    said = refusal(replace(encrypted.login(), port=postgres.port, tls={"sslmode": "require"}), TargetEncryption)
    assert "server does not support SSL, but SSL was required" in said


def test_a_login_that_the_server_does_not_take_at_all_is_not_a_matter_of_encryption(encrypted: Encrypted) -> None:
    for mode in ("prefer", "require"):
        said = refusal(encrypted.login(user="stranger", tls={"sslmode": mode}), DatabaseUnreachable)
        assert 'no pg_hba.conf entry for host "127.0.0.1", user "stranger"' in said


def test_great_expectations_logs_in_as_the_target_does(encrypted: Encrypted) -> None:
    key = {"sslcert": encrypted.file("client.crt"), "sslkey": encrypted.file("client.key")}
    target = encrypted.login()
    certified = replace(target, user="certified", password=None, tls={**target.tls, **key})
    with psycopg.connect(encrypted.server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE public.counted AS SELECT 1 AS id")
        connection.execute("GRANT SELECT ON public.counted TO certified")
    counted = Expectation("rows", "ExpectTableRowCountToEqual", {"value": 1})
    ((verdict,),) = validate(certified, "public", "counted", [counted]).values()
    assert (verdict.success, verdict.problem) == (True, None)
