"""Logins to both databases, from the configuration and its secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.config.model import Connection, FromEnvironment, FromSecretsManager, Number, ReloadConfig, text
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
        password=_password(login, place, lookup),
    )


def source_reader(config: ReloadConfig, lookup: SecretLookup, delivery: Callable[[], Delivery]) -> SourceReader | None:
    """Return a reader of the source; None if the configuration has no source connection. Raises ConfigError.

    ``delivery`` is called when columns are described; it returns how DMS changes values.
    """
    login = config.source.connection
    if login is None:
        return None
    from reload_assets.source.reader import SourceReader, source_url

    place = f"{config.file}: source.connection"
    url = source_url(
        login.dialect,
        host=text(login.host, f"{place}.host"),
        port=_port(login.port, f"{place}.port"),
        database=text(login.database, f"{place}.database"),
        user=text(login.user, f"{place}.user"),
        password=_password(login, place, lookup),
    )
    return SourceReader(url, config.source.schema_name, delivery)


def _port(value: Number, place: str) -> int:
    written = text(value, place)
    if not written.isdigit() or not 0 < int(written) < 65536:
        raise ConfigValue(place, f"{written!r} is not a TCP port; write a number from 1 to 65535")
    return int(written)


def _password(login: Connection, place: str, lookup: SecretLookup) -> str:
    where = f"{place}.password"
    if isinstance(login.password, FromEnvironment):
        return login.password.read(where)
    return _from_secret(login.password, where, lookup)


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
