"""Errors of DMS's validation: failures that cannot be reloaded as they are, and tasks that validate nothing."""

from __future__ import annotations

from reload_assets.errors import DmsError, ReloadError, sample

_TABLE = "dmslogs.awsdms_validation_failures_v2"


class FailureUnreadable(ReloadError):
    """DMS's validation lists a failure whose key does not say which row it is, so that nothing asks for its reload."""

    code = "validation-failure-unreadable"
    advice = "Find the row by the column DETAILS of the table that the message names, and reload its window."
    example = sample(
        place=_TABLE,
        table="production.orders",
        key='{"key": ["10',
        why="it is not JSON with a list of values",
    )

    def __init__(self, place: str, table: str, key: str, why: str) -> None:
        super().__init__(
            f"{place} has a failure of {table} whose key {key!r} cannot be read, because {why}; find its row there, "
            "and reload its window."
        )


class ValidationWarned(ReloadError):
    """DMS's validation warns about a table, so its list of failures may lack rows that differ."""

    code = "validation-warned"
    advice = (
        "Read DETAILS of the row. If validation was suspended, reload the windows that may be wrong; then have DMS "
        "validate the table again."
    )
    example = sample(place=_TABLE, table="production.orders", task="ABCDEFGH", instant="2025-01-03T09:45:10Z")

    def __init__(self, place: str, table: str, task: str, instant: str) -> None:
        super().__init__(
            f"{place} has a TABLE_WARNING of {instant} about {table} by the task {task}, so rows that differ may be "
            "missing there; read its DETAILS, and have DMS validate the table again."
        )


class TableNotValidated(ReloadError):
    """A validation task could not compare a table, or not all of it."""

    code = "table-not-validated"
    advice = (
        "Do what the message says. DMS's login to the target needs SELECT on the production table, and may create "
        "tables in `cdc.control_schema`."
    )
    example = sample(table="production.orders", why="DMS finds no primary key by which it can compare rows")

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"DMS did not validate {table}: {why}.")


class NothingValidated(DmsError):
    """A validation task could compare none of the tables of the group."""

    code = "nothing-validated"
    advice = "Fix what the message says about each table, then launch the job again."
    example = sample(
        group="sales",
        tables="DMS did not validate production.orders: DMS finds no primary key by which it can compare rows.",
    )

    def __init__(self, group: str, tables: str) -> None:
        super().__init__(f"No table of the group {group} was validated. {tables}")


class ValidationFailed(DmsError):
    """A validation task ended otherwise than after one comparison of its tables."""

    code = "validation-failed"
    advice = "Fix the reason that DMS gives, then launch the job again."
    example = sample(task="validate-sales-a1b2c3", problem="ended as 'failed' with FATAL_ERROR")

    def __init__(self, task: str, problem: str) -> None:
        super().__init__(f"The DMS task {task} {problem}, so the tables were not validated; launch the job again.")
