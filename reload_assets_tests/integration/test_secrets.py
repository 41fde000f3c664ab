"""Passwords from AWS Secrets Manager: an unmodified boto3, through dagster-aws, and a server that speaks its wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dagster import build_resources

from reload_assets.cli import main
from reload_assets.config.model import load_config
from reload_assets.definitions import build_definitions
from reload_assets.errors.config import SecretUnreadable, SecretWithoutKey
from reload_assets.resources.reload import ReloadResource

REFERENCE = (Path(__file__).parents[2] / "reload.yaml").read_text(encoding="utf-8")
SECRET = "s3cret-of-production"


class _SecretsManager(BaseHTTPRequestHandler):
    """GetSecretValue of the JSON protocol; ``asked`` holds the requests' regions and secrets."""

    secrets: dict[str, str]
    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"]
        assert self.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
        # Credential=<key>/<day>/<region>/secretsmanager/aws4_request
        self.asked.append((self.headers["Authorization"].split("/")[2], wanted))
        known = wanted in self.secrets
        body: dict[str, Any] = (
            {"Name": wanted, "SecretString": self.secrets[wanted]}
            if known
            else {"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret."}
        )
        self.send_response(200 if known else 400)
        payload = json.dumps(body).encode()
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """What the server was asked; boto3 finds it by the variable that AWS documents for this."""
    handler = type("Handler", (_SecretsManager,), {"secrets": {"prod/pg": json.dumps({"pw": SECRET})}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    for name, value in (("HOST", "127.0.0.1"), ("PORT", "1"), ("DATABASE", "d"), ("USER", "u")):
        monkeypatch.setenv(f"RELOAD_TARGET_{name}", value)
        monkeypatch.setenv(f"RELOAD_SOURCE_{name}", value)
    monkeypatch.setenv("RELOAD_SOURCE_PASSWORD", "x")
    monkeypatch.setenv("RELOAD_DMS_URL", "http://127.0.0.1:1")
    yield handler.asked  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def written(folder: Path, secret: str) -> Path:
    """reload.yaml with the target's password in a secret, and DMS in another region than any default."""
    file = folder / "reload.yaml"
    text = REFERENCE.replace("{env: RELOAD_TARGET_PASSWORD}", secret, 1).replace("us-east-1", "eu-central-2", 1)
    file.write_text(text, encoding="utf-8")
    return file


def target_password(file: Path) -> str | None:
    resources = build_definitions(load_config(file)).resources
    assert resources is not None
    with build_resources(dict(resources)) as built:
        reload = built.reload
        assert isinstance(reload, ReloadResource)
        target = reload.services.target
    assert SECRET not in repr(target) + str(target) + repr(reload)
    return target.password


def test_a_password_is_looked_up_through_dagster_aws(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    assert target_password(written(tmp_path, "{secret: prod/pg, key: pw}")) == SECRET
    assert asked == [("eu-central-2", "prod/pg")]


def test_a_secret_that_is_not_there_is_named(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match=r"target.connection.password: the secret 'prod/gp' .*Resource"):
        target_password(written(tmp_path, "{secret: prod/gp, key: pw}"))
    assert asked == [("eu-central-2", "prod/gp")]


def test_a_secret_without_the_key_is_not_shown(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    with pytest.raises(SecretWithoutKey, match="'password'") as caught:
        target_password(written(tmp_path, "{secret: prod/pg, key: password}"))
    assert SECRET not in str(caught.value)


def test_the_command_looks_in_the_same_place(asked: list[tuple[str, str]], tmp_path: Path) -> None:
    config = str(written(tmp_path, "{secret: prod/pg, key: pw}"))
    # Nobody listens on the port, so that the login fails once the password is known.
    failed = CliRunner().invoke(main, ["--config", config, "install"], catch_exceptions=False)
    assert failed.exit_code == 1
    assert asked == [("eu-central-2", "prod/pg")]
    assert failed.stderr.startswith("target.connection: cannot log in to PostgreSQL as u@127.0.0.1:1/d")
    assert SECRET not in failed.output
