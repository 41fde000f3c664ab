"""``reload-assets init``: a first reload.yaml, written from both catalogs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import click

from reload_assets.cli.configured import services_of
from reload_assets.config.model import DEFAULT_PATH, parse_config
from reload_assets.config.values import text
from reload_assets.dms.examination import settings_of
from reload_assets.errors.config import ConfigFileExists, ConfigFileUnwritable, NothingToPropose
from reload_assets.proposal.catalogs import Carrier, Catalogs, read_catalogs
from reload_assets.proposal.file import configuration
from reload_assets.proposal.settings import Server, Settings, Value, draft
from reload_assets.proposal.tables import Family, LeftOut, Proposed, families, propose
from reload_assets.reload.services import Services

_STDOUT = "-"
_REGION = "us-east-1"
_PORTS = {"oracle": 1521, "postgresql": 5432}
_ARNS: Mapping[str, tuple[str, str]] = {
    "instance_arn": ("RELOAD_DMS_INSTANCE_ARN", "ReplicationInstanceArn"),
    "source_arn": ("RELOAD_DMS_SOURCE_ARN", "SourceEndpointArn"),
    "target_arn": ("RELOAD_DMS_TARGET_ARN", "TargetEndpointArn"),
}
"""The variable of each ARN, and its name in DMS's description of a task."""


class _Url(click.ParamType[SplitResult]):
    """The address of a database with its user, and without the password: others could see it."""

    name = "URL"

    def __init__(self, *schemes: str) -> None:
        self._schemes = schemes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SplitResult:
        try:
            url = urlsplit(value)
            has_port = url.port is None or url.port > 0
        except ValueError:
            self.fail(self._shape, param, ctx)
        if url.password is not None:
            # The message does not repeat it.
            self.fail("has a password, which others could see; leave it out and set its variable.", param, ctx)
        complete = url.hostname and url.username and url.path.strip("/") and has_port
        if url.scheme not in self._schemes or not complete or url.query:
            self.fail(self._shape, param, ctx)
        return url

    @property
    def _shape(self) -> str:
        return f"is not of the form {self._schemes[0]}://USER@HOST:PORT/DATABASE."


@click.command()
@click.option("--source-schema", required=True, metavar="NAME", help="The schema of the source, as Oracle spells it.")
@click.option("--target-schema", default="production", show_default=True, metavar="NAME", help="That of production.")
@click.option("--source", type=_Url("oracle", "postgresql"), help="oracle://USER@HOST:PORT/SERVICE, or variables.")
@click.option("--target", type=_Url("postgresql"), help="postgresql://USER@HOST:PORT/DATABASE, or variables.")
@click.option("--cdc-task", metavar="ARN", help="The CDC task that feeds production.")
@click.option("--group", metavar="NAME", help="The table group (default: the source's schema in lower case).")
@click.option(
    "--output", metavar="FILE", default=DEFAULT_PATH, show_default=True, help="A new file; - is standard output."
)
def init(
    source_schema: str,
    target_schema: str,
    source: SplitResult | None,
    target: SplitResult | None,
    cdc_task: str | None,
    group: str | None,
    output: str,
) -> None:
    """Write a first reload.yaml, with the reason beside each choice.

    Reads both catalogs and DMS's description of the CDC task; reads no row and changes nothing. Passwords are in
    RELOAD_SOURCE_PASSWORD and RELOAD_TARGET_PASSWORD. Without --source it uses RELOAD_SOURCE_HOST, _PORT, _DATABASE and
    _USER, likewise --target; RELOAD_CDC_TASK_ARN, RELOAD_DMS_INSTANCE_ARN, _SOURCE_ARN and _TARGET_ARN if set.
    """
    if output != _STDOUT and Path(output).exists():
        raise ConfigFileExists(output)
    file = DEFAULT_PATH if output == _STDOUT else output
    settings = _settings(source_schema, target_schema, source, target, cdc_task)
    name = group or source_schema.lower()
    services = services_of(parse_config(draft(settings, name), file))
    carrier = None
    if settings.task_arn is not None:
        settings, carrier = _as_the_task_has_it(settings, services, name)
        services = services_of(parse_config(draft(settings, name), file))
    settings = replace(settings, load_role=_load_role(services, file))
    catalogs = _read(services, target_schema, carrier)
    proposals = [propose(table) for table in catalogs.described]
    left_out = [*catalogs.left_out, *(one for one in proposals if isinstance(one, LeftOut))]
    found = families(one for one in proposals if isinstance(one, Proposed))
    if not found:
        raise NothingToPropose(f"{source_schema} -> {target_schema}", _why_nothing(left_out))
    written = configuration(settings, name, found, left_out, catalogs.unfed)
    # What is written must load; the doctor finds the rest.
    parse_config(written, file)
    _write(written, output)
    _say_what_is_there(found, left_out, written, output)


def _settings(
    source_schema: str,
    target_schema: str,
    source: SplitResult | None,
    target: SplitResult | None,
    cdc_task: str | None,
) -> Settings:
    """Return what the options and the variables say."""
    task: Value | None = cdc_task or _variable("RELOAD_CDC_TASK_ARN")
    return Settings(
        source_schema=source_schema,
        dialect=source.scheme if source else "oracle",
        source=_server(source, "RELOAD_SOURCE"),
        target=_server(target, "RELOAD_TARGET"),
        production_schema=target_schema,
        region=_region(cdc_task or os.environ.get("RELOAD_CDC_TASK_ARN", "")),
        endpoint_url=_variable("RELOAD_DMS_URL"),
        task_arn=task,
        first=date(datetime.now(timezone.utc).year - 1, 1, 1),
        instance_arn={"env": _ARNS["instance_arn"][0]},
        source_arn={"env": _ARNS["source_arn"][0]},
        target_arn={"env": _ARNS["target_arn"][0]},
    )


def _server(url: SplitResult | None, prefix: str) -> Server:
    password = f"{prefix}_PASSWORD"
    if url is None:
        host, port, database, user = ({"env": f"{prefix}_{name}"} for name in ("HOST", "PORT", "DATABASE", "USER"))
        return Server(host, port, database, user, password)
    return Server(
        host=str(url.hostname),
        port=url.port or _PORTS[url.scheme],
        database=unquote(url.path.strip("/")),
        user=unquote(str(url.username)),
        password=password,
    )


def _variable(name: str) -> dict[str, str] | None:
    return {"env": name} if os.environ.get(name) else None


def _region(arn: str) -> str:
    """Return the region of an ARN (``arn:aws:dms:REGION:...``), else that of the environment."""
    parts = arn.split(":")
    found = parts[3] if len(parts) > 3 else ""
    return found or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _REGION


def _as_the_task_has_it(settings: Settings, services: Services, group: str) -> tuple[Settings, Carrier]:
    """Complete the settings from the CDC task. Returns its mapping, too. Raises DmsError."""
    arn = services.cdc_task_arn(group)
    (task,) = services.cdc_tasks(services.config.dms.polling.ready_timeout_seconds)
    assert arn == task.arn
    described = task.definition()
    of_task = settings_of(described)
    missing = {field: described[name] for field, (variable, name) in _ARNS.items() if not os.environ.get(variable)}
    completed = replace(
        settings,
        **missing,
        from_task=bool(missing),
        control_schema=(of_task.get("ControlTablesSettings") or {}).get("ControlSchema") or None,
    )
    target_schema = (of_task.get("TargetMetadata") or {}).get("TargetSchema") or ""
    return completed, Carrier(str(described.get("TableMappings")), str(target_schema))


def _load_role(services: Services, file: str) -> str | None:
    """Return the role that DMS logs in as, if it is not the login of target.connection. Raises DmsError."""
    arn = text(services.config.dms.target_endpoint_arn, f"{file}: dms.target_endpoint_arn")
    role = services.load_tasks(services.config.dms.polling.ready_timeout_seconds).target_login(arn)
    return role if role != services.target.user else None


def _read(services: Services, target_schema: str, carrier: Carrier | None) -> Catalogs:
    with services.source() as reader, services.target.connect(autocommit=True) as connection:
        assert reader is not None, "the draft has a source connection"
        reader.check()
        return read_catalogs(connection, reader, target_schema, carrier)


def _why_nothing(left_out: list[LeftOut]) -> str:
    if not left_out:
        return "the source's schema has no table that this login may read"
    more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
    return f"{left_out[0].table}: {left_out[0].why}{more}"


def _write(written: str, output: str) -> None:
    if output == _STDOUT:
        click.echo(written, nl=False)
        return
    with _writable(output), open(output, "x", encoding="utf-8") as file:
        file.write(written)


@contextmanager
def _writable(output: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ConfigFileExists(output) from None
    except OSError as error:
        raise ConfigFileUnwritable(output, error.strerror or type(error).__name__) from None


def _say_what_is_there(found: list[Family], left_out: list[LeftOut], written: str, output: str) -> None:
    """Say on standard error what was written, because the file may be on standard output."""
    tables = sum(len(family.tables) for family in found)
    marks = {mark: written.count(f"{mark}:") for mark in ("GUESS", "DECIDE")}
    where = "standard output" if output == _STDOUT else output
    click.echo(
        f"{where}: tables: {tables}, left out: {len(left_out)}, guesses to check: {marks['GUESS']}, decisions to make: "
        f"{marks['DECIDE']}. Next: reload-assets install, reload-assets doctor.",
        err=True,
    )
