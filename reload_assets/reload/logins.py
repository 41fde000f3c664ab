"""Logins to both databases, from the configuration and its secrets."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.config.connections import SourceConnection, TargetConnection
from reload_assets.config.model import ReloadConfig
from reload_assets.config.values import FromEnvironment, FromSecretsManager, Number, Secret, Text, text
from reload_assets.errors.config import ConfigValue, SecretUnreadable, SecretWithoutKey
from reload_assets.postgres.connection import TargetDatabase

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

SecretLookup = Callable[[str], str]
"""Gives the text of an AWS Secrets Manager secret by its name or ARN."""


def target_login(config: ReloadConfig, lookup: SecretLookup) -> TargetDatabase:
    """Return the login to the target database. Raises ConfigError if a variable or secret is missing."""
    place = f"{config.file}: target.connection"
    login = config.target.connection
    return TargetDatabase(
        host=text(login.host, f"{place}.host"),
        port=_port(login.port, f"{place}.port"),
        database=text(login.database, f"{place}.database"),
        user=text(login.user, f"{place}.user"),
        password=secret(login.password, f"{place}.password", lookup) if login.password is not None else None,
        tls=_target_tls(login, place),
    )


def _target_tls(login: TargetConnection, place: str) -> dict[str, str]:
    """Return libpq's parameters for an encrypted connection; what is left out follows libpq's variables."""
    files: dict[str, Text | None] = {
        "sslrootcert": login.sslrootcert,
        "sslcert": login.sslcert,
        "sslkey": login.sslkey,
    }
    written = {name: _file(value, f"{place}.{name}") for name, value in files.items() if value is not None}
    return written if login.sslmode is None else {"sslmode": login.sslmode, **written}


def source_reader(
    config: ReloadConfig, lookup: SecretLookup, delivery: Callable[[], Delivery], patience: float | None = None
) -> SourceReader | None:
    """Return a reader of the source; None if the configuration has no source connection. Raises ConfigError.

    ``delivery`` is called when columns are described; it returns how DMS changes values. ``patience`` is the longest
    time of a call, if that is less than what is configured (seconds).
    """
    login = config.source.connection
    if login is None:
        return None
    from reload_assets.source.reader import SourceReader, source_url
    from reload_assets.source.session import SourceSession

    place = f"{config.file}: source.connection"
    url = source_url(
        login.dialect,
        host=text(login.host, f"{place}.host"),
        port=_port(login.port, f"{place}.port"),
        database=text(login.database, f"{place}.database"),
        user=text(login.user, f"{place}.user"),
        password=secret(login.password, f"{place}.password", lookup),
    )
    session = SourceSession(min(login.call_timeout_seconds, patience or math.inf), _source_tls(login, place, lookup))
    return SourceReader(url, config.source.schema_name, delivery, session)


def _source_tls(login: SourceConnection, place: str, lookup: SecretLookup) -> dict[str, Any]:
    """Return oracledb's parameters for an encrypted connection; none where it is not encrypted."""
    if login.protocol != "tcps":
        return {}
    tls: dict[str, Any] = {"protocol": login.protocol, "ssl_server_dn_match": login.ssl_server_dn_match}
    if login.ssl_server_cert_dn is not None:
        tls["ssl_server_cert_dn"] = login.ssl_server_cert_dn
    if login.wallet_location is not None:
        tls["wallet_location"] = text(login.wallet_location, f"{place}.wallet_location")
        _file(str(Path(tls["wallet_location"]) / "ewallet.pem"), f"{place}.wallet_location")
    if login.wallet_password is not None:
        tls["wallet_password"] = secret(login.wallet_password, f"{place}.wallet_password", lookup)
    return tls


def _file(value: Text, place: str) -> str:
    """Return the path of a file. Raises ConfigError if this process cannot read it: libpq would do without it."""
    path = text(value, place)
    # The one name that is not a path: the authorities of the system.
    if path != "system" and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise ConfigValue(
            place, f"{path!r} is not a file that this process can read; write the full path that it has here"
        )
    return path


def _port(value: Number, place: str) -> int:
    written = text(value, place)
    if not written.isdigit() or not 0 < int(written) < 65536:
        raise ConfigValue(place, f"{written!r} is not a TCP port; write a number from 1 to 65535")
    return int(written)


def secret(value: Secret, place: str, lookup: SecretLookup) -> str:
    """Return the secret that a field names. Raises ConfigError if it cannot be read."""
    return value.read(place) if isinstance(value, FromEnvironment) else _from_secret(value, place, lookup)


def _from_secret(reference: FromSecretsManager, place: str, lookup: SecretLookup) -> str:
    """Look up a secret. Errors quote neither the secret nor the driver's text, because both may show the password."""
    try:
        secret = lookup(reference.secret)
    except Exception as error:
        raise SecretUnreadable(place, reference.secret, _fault(error)) from None
    if reference.key is None:
        return secret
    try:
        return str(json.loads(secret)[reference.key])
    except (ValueError, KeyError, TypeError):
        raise SecretWithoutKey(place, reference.secret, reference.key) from None


def _fault(error: Exception) -> str:
    answer: dict[str, Any] = getattr(error, "response", {})
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)
