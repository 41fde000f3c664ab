"""Runs great_expectations over one staging table: all expectations of a table in one validation.

Only expectations that come with it are used: row count, column types, uniqueness, NULLs. The checks themselves execute
the statements for everything else.

great_expectations takes seconds to import, so it is imported inside functions. It computes every verdict inside the
database and returns verdicts only (``BOOLEAN_ONLY``). It would fetch values through psycopg2, which has no year before
1 and reads infinity as the year 9999.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from psycopg import sql

from reload_assets.errors import without_secret
from reload_assets.postgres.connection import (
    CONNECT_TIMEOUT_SECONDS,
    SERVER_SETTINGS,
    TargetDatabase,
    server_options,
)
from reload_assets.postgres.statements import compose

if TYPE_CHECKING:
    from great_expectations.datasource.fluent import PostgresDatasource
    from sqlalchemy import Engine

_WITH_TRANSACTION_TIMEOUT = 170000


@dataclass(frozen=True)
class Expectation:
    """One expectation of a check: the class in ``great_expectations.expectations`` and its arguments."""

    check: str
    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class TypesOf:
    """Expect staged columns to have the declared types of production's: pairs of (staged, production) names."""

    check: str
    schema: str
    table: str
    columns: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Verdict:
    """The result of one expectation. ``problem`` is the reason if great_expectations could not verify it."""

    check: str
    kind: str
    arguments: Mapping[str, Any]
    success: bool
    problem: str | None


def validate(
    target: TargetDatabase, schema: str, table: str, expectations: Sequence[Expectation | TypesOf]
) -> dict[str, list[Verdict]]:
    """Validate one staging table. Returns the verdicts by check. Leaves no connection open.

    Does not raise if the validation fails: each verdict then holds the reason, without the password.
    """
    if not expectations:
        return {}
    try:
        with _datasource(target, schema) as datasource:
            verdicts = _validate(target, datasource, (schema, table), expectations)
    except Exception as error:
        # Any error of great_expectations means that the table could not be verified, which is not a failed check.
        problem = _cleaned(str(error), target)
        verdicts = [Verdict(one.check, type(one).__name__, {}, False, problem) for one in expectations]
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.check, []).append(verdict)
    return found


@contextmanager
def _datasource(target: TargetDatabase, schema: str) -> Iterator[PostgresDatasource]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from sqlalchemy import URL

    # Its log would repeat every problem that a verdict reports, with the statement.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    # The search path finds the schema: an asset's own schema is deprecated, and is folded to lower case.
    settings = {**SERVER_SETTINGS, "search_path": sql.Identifier(schema).as_string() + ', "$user", public'}
    with target.connect(autocommit=True) as connection:
        if connection.info.server_version >= _WITH_TRANSACTION_TIMEOUT:
            settings["transaction_timeout"] = "0"
    # The driver is named because the default of SQLAlchemy 2.1 is one that great_expectations cannot use.
    url = URL.create(
        "postgresql+psycopg2",
        target.user,
        target.password,
        target.host,
        target.port,
        target.database,
        {
            "application_name": "reload_assets",
            "client_encoding": "UTF8",
            "connect_timeout": str(CONNECT_TIMEOUT_SECONDS),
            "options": server_options(settings),
            **target.tls,
        },
    )
    # SQLAlchemy leaves blanks in a URL, which great_expectations then does not accept.
    written = url.render_as_string(hide_password=False).replace(" ", "%20")
    datasource = context.data_sources.add_postgres("target", connection_string=written)
    try:
        yield datasource
    finally:
        # great_expectations pools connections in two engines and closes neither.
        for engine in _engines(datasource):
            engine.dispose()


def _engines(datasource: PostgresDatasource) -> list[Engine]:
    executing: Any = datasource.get_execution_engine()
    return [datasource.get_engine(), executing.engine]


def _validate(
    target: TargetDatabase,
    datasource: PostgresDatasource,
    place: tuple[str, str],
    expectations: Sequence[Expectation | TypesOf],
) -> list[Verdict]:
    import great_expectations as gx
    import great_expectations.expectations as known

    table = place[1]
    tables = [place, *((one.schema, one.table) for one in expectations if isinstance(one, TypesOf))]
    for engine in _engines(datasource):
        _learn_types(engine, tables)
    # Quoted here, because it leaves a name with a blank or a hyphen unquoted.
    asset = datasource.add_table_asset(table, table_name=f'"{table}"')
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    plain: list[Expectation] = []
    for one in expectations:
        plain += _of_types(datasource, one) if isinstance(one, TypesOf) else [one]
    suite = gx.ExpectationSuite(name=table)
    for position, one in enumerate(plain):
        suite.add_expectation(getattr(known, one.kind)(**one.arguments, meta={"position": position}))
    verdicts = []
    for result in batch.validate(suite, result_format="BOOLEAN_ONLY").results:
        assert result.expectation_config is not None
        one = plain[result.expectation_config.meta["position"]]
        problem = _problem(result.exception_info)
        verdicts.append(
            Verdict(
                one.check, one.kind, one.arguments, bool(result.success), _cleaned(problem, target) if problem else None
            )
        )
    return verdicts


def _learn_types(engine: Engine, tables: Sequence[tuple[str, str]]) -> None:
    """Teach an engine the types of some tables that SQLAlchemy does not know (xml, point ...).

    A single column of such a type would keep great_expectations from verifying any column of the table.
    """
    from sqlalchemy.types import UserDefinedType

    dialect: Any = engine.dialect
    known: dict[str, Any] = dialect.ischema_names
    read_columns = compose("catalog/columns:list_columns").as_string()
    declared = []
    with engine.connect() as connection:
        for schema, table in tables:
            rows = connection.exec_driver_sql(read_columns, {"schema": schema, "table": table})
            declared += [row.type for row in rows]

    def named(name: str) -> type[UserDefinedType[Any]]:
        class Named(UserDefinedType[Any]):
            def __init__(self, *sizes: object, **_: object) -> None:
                self.sizes = sizes

            def get_col_spec(self, **_: object) -> str:
                return f"{name}({', '.join(map(str, self.sizes))})" if self.sizes else name

        return Named

    bases = {re.sub(r"\(.*?\)|\[\]", "", name).strip().lower() for name in declared}
    taught = {base: named(base) for base in bases if base not in known}
    # Set on this dialect alone, not on the class that all engines share.
    dialect.ischema_names = {**known, **taught}


def _of_types(datasource: PostgresDatasource, wanted: TypesOf) -> list[Expectation]:
    """Return the declared types of production, spelled as great_expectations spells those of staging."""
    from sqlalchemy import inspect

    engine = _engines(datasource)[0]
    types = {column["name"]: column["type"] for column in inspect(engine).get_columns(wanted.table, wanted.schema)}
    expectations = []
    for staged, name in wanted.columns:
        if name not in types:
            continue
        declared = types[name]
        if hasattr(declared, "collation"):
            # Staging has the database's collation, which is not part of the type.
            declared.collation = None
        arguments = {"column": staged, "type_": declared.compile(engine.dialect)}
        expectations.append(Expectation(wanted.check, "ExpectColumnValuesToBeOfType", arguments))
    return expectations


def _problem(exception_info: Mapping[str, Any] | None) -> str | None:
    """Return the reason in a result's exception_info, which holds one exception, or one per metric."""
    info = exception_info or {}
    each = [info] if "raised_exception" in info else [one for one in info.values() if isinstance(one, Mapping)]
    for one in each:
        if one.get("raised_exception"):
            return str(one.get("exception_message") or "no reason given")
    return None


def _cleaned(reason: str, target: TargetDatabase) -> str:
    """Return the first line of a reason: no statement, no link, and never the password."""
    password = target.password or ""
    for secret in (password, quote(password, safe=""), quote_plus(password)):
        reason = without_secret(reason, secret)
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return re.sub(r"^\([\w.]+\) ", "", lines[0]).rstrip(".") if lines else "no reason given"
