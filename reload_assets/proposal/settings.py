"""The sections of a first configuration that say how both databases and DMS are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from reload_assets.proposal.layout import written

Value = str | int | Mapping[str, str]
"""A value as the file has it: itself, or the variable that holds it."""


@dataclass(frozen=True)
class Server:
    """How a database is reached. ``password`` is the name of the variable that holds it."""

    host: Value
    port: Value
    database: Value
    user: Value
    password: str


@dataclass(frozen=True)
class Settings:
    """Everything above the groups. ``load_role`` and ``control_schema`` are None where nothing says them.

    ``from_task``: DMS's own description of the CDC task said the ARNs that are not variables.
    """

    source_schema: str
    dialect: str
    source: Server
    target: Server
    production_schema: str
    region: str
    endpoint_url: Value | None
    instance_arn: Value
    source_arn: Value
    target_arn: Value
    task_arn: Value | None
    first: date
    load_role: str | None = None
    control_schema: str | None = None
    from_task: bool = False


def head(settings: Settings) -> str:
    """Return the sections as YAML, without the groups."""
    return "\n".join([_source(settings), _target(settings), _dms(settings), _cdc(settings), _windows(settings)])


def draft(settings: Settings, group: str) -> str:
    """Return a configuration with these sections that loads, and that is good for its connections only."""
    return f"{head(settings)}groups: {{{written(group)}: {{tables: {{unknown: {{window_column: unknown}}}}}}}}\n"


def _source(settings: Settings) -> str:
    return f"""source:
  schema: {written(settings.source_schema)}
  # GUESS: DATE and TIMESTAMP have no zone; write that of the clock by which the application sets them.
  time_zone: UTC
  connection: # a read-only login to the primary
    dialect: {settings.dialect}
{_server(settings.source)}"""


def _target(settings: Settings) -> str:
    role = (
        f"  load_role: {written(settings.load_role)} # the user of the target endpoint\n"
        if settings.load_role is not None
        else "  # load_role: dms # the role that DMS logs in as, if it is not the user above\n"
    )
    return f"""target:
  connection: # the login that owns the schemas admin and staging
{_server(settings.target)}  production_schema: {written(settings.production_schema)}
{role}"""


def _server(server: Server) -> str:
    return f"""    host: {written(server.host)}
    port: {written(server.port)}
    database: {written(server.database)}
    user: {written(server.user)}
    password: {written({"env": server.password})} # or {{secret: NAME, key: KEY}} in AWS Secrets Manager
"""


def _dms(settings: Settings) -> str:
    url = (
        "  # endpoint_url: only for an address other than AWS's own\n"
        if settings.endpoint_url is None
        else f"  endpoint_url: {written(settings.endpoint_url)} # leave out for AWS itself\n"
    )
    why = "  # Instance and endpoints are those of the CDC task.\n" if settings.from_task else ""
    return f"""dms:
  region: {written(settings.region)}
{url}{why}  replication_instance_arn: {written(settings.instance_arn)}
  source_endpoint_arn: {written(settings.source_arn)}
  target_endpoint_arn: {written(settings.target_arn)}
"""


def _cdc(settings: Settings) -> str:
    if settings.task_arn is None:
        return """# Without the task that feeds production, a reload does not know how far CDC is, and is less exact.
# cdc:
#   task_arn: the ARN of the CDC task
"""
    schema = (
        f"  control_schema: {written(settings.control_schema)} # ControlTablesSettings.ControlSchema of the task\n"
        if settings.control_schema
        else "  # control_schema: public # where the task has its tables awsdms_status and awsdms_apply_exceptions\n"
    )
    return f"""cdc:
  task_arn: {written(settings.task_arn)}
{schema}"""


def _windows(settings: Settings) -> str:
    return f"""windows:
  cadence: daily # or hourly, weekly, monthly, a cron expression
  # GUESS: write the day of the oldest rows that the cadence is to reload.
  first: {settings.first}
"""
