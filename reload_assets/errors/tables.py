"""Errors of a table's configuration, found by comparing it with the catalogs of production and of the source."""

from __future__ import annotations

from collections.abc import Iterable

from reload_assets.errors import ConfigError, did_you_mean, sample

_PLACE = "reload.yaml: groups.sales.tables.orders"


class TableNotFound(ConfigError):
    """Production has no table with the configured name, or the login may not see it."""

    code = "table-not-found"
    advice = "Create the table, grant the login of `target.connection` rights on it, or fix `target`."
    example = sample(place=f"{_PLACE}.target", table="production.orders")

    def __init__(self, place: str, table: str) -> None:
        super().__init__(
            place, f"there is no table {table}, or this login may not see it; create or grant it, or fix the name"
        )


class ColumnNotFound(ConfigError):
    """The configuration names a column that its table does not have."""

    code = "column-not-found"
    advice = "Fix the name. Columns of production are written as in PostgreSQL, columns of the source as in Oracle."
    example = sample(
        place=f"{_PLACE}.window_column", column="updatd_at", table="production.orders", known=("id", "updated_at")
    )

    def __init__(self, place: str, column: str, table: str, known: Iterable[str]) -> None:
        super().__init__(place, f"{column!r} is not a column of {table}{did_you_mean(column, known)}")


class ColumnUnmatched(ConfigError):
    """A column exists on one side only: in the source but not in production, or the other way round."""

    code = "column-unmatched"
    advice = "Add the column to the side that lacks it, name another, or list it in `ignored_source_columns`."
    example = sample(
        place=f"{_PLACE}.ignored_source_columns",
        problem="production.orders has no column for SALES.ORDERS.NOTE; add it to production, or list it here",
    )


class TypesLose(ConfigError):
    """Production's types would change values of the source without notice, or cannot hold them at all."""

    code = "types-lose"
    advice = (
        "Change the column's type in production. Where the loss is wanted, accept it with the word that the message "
        "names, as in `accept: {amount: decimals}`. A source column that production does not need goes into "
        "`ignored_source_columns`."
    )
    example = sample(
        place=f"{_PLACE}.accept",
        table="production.orders",
        found=(
            "AMOUNT is NUMBER(12,4) and amount is numeric(10,2), which would lose decimals beyond 2 (accept: decimals)",
        ),
    )

    def __init__(self, place: str, table: str, found: Iterable[str]) -> None:
        super().__init__(
            place,
            f"{table} cannot hold the source as it is: {'; '.join(found)}; change the type there, or accept the loss "
            "here by column where it has a word",
        )


class AcceptedNotLost(ConfigError):
    """A table accepts a loss that its types do not cause."""

    code = "accepted-not-lost"
    advice = "Remove the column from `accept`."
    example = sample(place=f"{_PLACE}.accept", column="amount", table="production.orders", accepted="decimals")

    def __init__(self, place: str, column: str, table: str, accepted: str) -> None:
        super().__init__(place, f"{column} of {table} loses nothing of the source, nor {accepted}; remove it here")


class KeyNotUnique(ConfigError):
    """Production has no unique index on the key of a table."""

    code = "key-not-unique"
    advice = "Create a unique index on the key (not partial, not deferrable), or name another unique index's columns."
    example = sample(
        place=f"{_PLACE}.key", problem="production.orders has no primary key; name the columns of a unique index here"
    )


class KeyNotOfSource(ConfigError):
    """The key of a table is not known to be a key of the source: one row there may be two rows in production."""

    code = "key-not-of-source"
    advice = "Name the source's own key in `key` and give production a unique index on it."
    example = sample(
        place=f"{_PLACE}.key",
        problem="SALES.ORDERS has neither a primary key nor a unique index that holds for all rows; create one there, "
        "or write [id] here if it is unique in the source",
    )


class KeyNotExact(ConfigError):
    """Production's key has a type that changes the source's values, so rows cannot be looked up in the source."""

    code = "key-not-exact"
    advice = "Give the key's column in production a type that keeps the source's text, or name another key."
    example = sample(
        place=f"{_PLACE}.key",
        table="production.orders",
        why="ID is NUMBER(12,3) and becomes numeric(10,2), which rounds it to 2 decimals",
    )

    def __init__(self, place: str, table: str, why: str) -> None:
        super().__init__(
            place,
            f"rows of {table} cannot be looked up in the source by their key: {why}; give it a type that keeps the "
            "source's text there, or name another key",
        )


class KeyNotFilterable(ConfigError):
    """Rows have to be read again by a DMS filter, and no DMS filter can find rows by a key of these types."""

    code = "key-not-filterable"
    advice = "Configure `source.connection`, or name a key with a column of a number or text type."
    example = sample(
        place=f"{_PLACE}.key",
        problem="rows of production.orders are read again by a DMS filter on their key without source.connection, and "
        "it finds none by a key of such types (id is uuid); configure source.connection, or name a key with a column "
        "of a number or text type",
    )


class WindowColumnType(ConfigError):
    """The window column is not a `timestamp without time zone` in production, or one that rounds the source's times."""

    code = "window-column-type"
    advice = "Name a column of type `timestamp`; DMS writes Oracle's DATE and TIMESTAMP into such columns."
    example = sample(
        place=f"{_PLACE}.window_column",
        problem="'day' of production.orders is date; a window needs a column of type timestamp without time zone, as "
        "DMS writes Oracle's DATE and TIMESTAMP: name another one, or add one on both sides that the application or a "
        "trigger fills",
    )


class WindowColumnOfSource(ConfigError):
    """The window column has a type in the source by which a DMS filter cannot cut a window."""

    code = "window-column-of-source"
    advice = (
        "Name a column that is DATE or TIMESTAMP in the source, or add one on both sides; a virtual one is not carried."
    )
    example = sample(
        place=f"{_PLACE}.window_column",
        problem="SALES.ORDERS.SEEN_AT is TIMESTAMP(6) WITH TIME ZONE in the source, which DMS carries as text, so that "
        "its filter would not compare it as a time; name a column that is DATE or TIMESTAMP there, or add one on both "
        "sides that the application or a trigger fills (DMS does not carry virtual columns)",
    )


class TargetShared(ConfigError):
    """A production table is a partition or a child of another table that is configured too."""

    code = "target-shared"
    advice = "Keep one of the two entries: the partitioned table, or its partitions."
    example = sample(
        place=f"{_PLACE}.target",
        table="production.orders_2025",
        above="production.orders",
        other="groups.sales.tables.orders",
    )

    def __init__(self, place: str, table: str, above: str, other: str) -> None:
        super().__init__(
            place,
            f"{table} is a part of {above}, which is the production table of {other}, and each entry would treat the "
            "other's rows as wrong; keep one of the two",
        )


class RowSecurity(ConfigError):
    """Row security hides rows of a production table from the login."""

    code = "row-security"
    advice = "`ALTER ROLE ... BYPASSRLS` for the login of `target.connection`, or make it the table's owner."
    example = sample(place=f"{_PLACE}.target", table="production.orders")

    def __init__(self, place: str, table: str) -> None:
        super().__init__(
            place,
            f"row security of {table} applies to the login of target.connection, and rows that it hides would count "
            "as missing; give the login BYPASSRLS, or make it the table's owner",
        )


class RewriteRules(ConfigError):
    """A production table has rules (`CREATE RULE`) that rewrite INSERT, UPDATE or DELETE."""

    code = "rewrite-rules"
    advice = "Drop the rules, or replace them by triggers that leave the login of `target.connection` alone."
    example = sample(place=f"{_PLACE}.target", table="production.orders", rules="keep_copy")

    def __init__(self, place: str, table: str, rules: str) -> None:
        super().__init__(
            place,
            f"{table} has rules for INSERT, UPDATE or DELETE ({rules}), which rewrite the statements of the merge and "
            "the confirm; drop them, or replace them by triggers that leave this login alone",
        )


class SoftDeleteColumn(ConfigError):
    """`soft_delete_column` cannot mark rows as deleted: wrong type, generated, loaded from the source, or a default."""

    code = "soft-delete-column"
    advice = "Name a boolean or timestamp column that only production has, and that a live row can leave unset."
    example = sample(
        place=f"{_PLACE}.soft_delete_column",
        problem="'deleted' of production.orders is text; name a column of type boolean or timestamp",
    )


class ForeignKeysCircular(ConfigError):
    """The foreign keys of a group's tables form a circle, so no table can come first."""

    code = "foreign-keys-circular"
    advice = "Make one of the foreign keys DEFERRABLE in production."
    example = sample(place="reload.yaml: groups.sales.tables", circle="orders -> invoices -> orders")

    def __init__(self, place: str, circle: str) -> None:
        super().__init__(place, f"the foreign keys {circle} form a circle; make one of them DEFERRABLE in production")
