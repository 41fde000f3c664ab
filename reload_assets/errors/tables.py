"""Errors of a table's configuration, found by comparing it with the catalogs of production and of the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


class TargetNotTable(ConfigError):
    """The configured production table is a view, a materialized view or a foreign table."""

    code = "target-not-table"
    advice = "Name the table behind it in `target`: only a table's rows can be locked and written by a merge."
    example = sample(
        place=f"{_PLACE}.target", name="production.orders", kind="a view", behind=("production.orders_all",)
    )

    def __init__(self, place: str, name: str, kind: str, behind: Sequence[str]) -> None:
        others = f" ({', '.join(behind)})" if behind else ""
        where = "the database that has it" if kind == "a foreign table" else f"the table behind it{others}"
        super().__init__(
            place, f"{name} is {kind}, and only a table's rows can be locked and written by a merge; reload {where}"
        )


class ForeignPartition(ConfigError):
    """A partition or an heir of a production table is a foreign table."""

    code = "foreign-partition"
    advice = "Detach the foreign partition, or name a local partition in `target`."
    example = sample(place=f"{_PLACE}.target", table="production.orders", parts=("production.orders_2019",))

    def __init__(self, place: str, table: str, parts: Sequence[str]) -> None:
        super().__init__(
            place,
            f"{table} has foreign tables as partitions ({', '.join(parts)}), whose rows a merge can neither lock nor "
            "compare by version; detach them, or name a local partition as the target",
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
    advice = (
        "If the column has another name on the other side, write both in `columns`. Otherwise add the column to the "
        "side that lacks it, name another, or list it in `ignored_source_columns`."
    )
    example = sample(
        place=f"{_PLACE}.ignored_source_columns",
        problem="production.orders has no column for SALES.ORDERS.CUST_NM; list it here, add a column to production, "
        "or, if it has another name there, write columns: {<column of production>: CUST_NM}",
    )


class ColumnNotFed(ConfigError):
    """A column of production is NOT NULL and has no default, and no column of the source feeds it."""

    code = "column-not-fed"
    advice = (
        "Give the column a default, let it be NULL, or write in `columns` from which column of the source it is loaded."
    )
    example = sample(place=f"{_PLACE}.columns", column="production.orders.score", source="SALES.ORDERS")

    def __init__(self, place: str, column: str, source: str) -> None:
        name = column.rpartition(".")[2]
        super().__init__(
            place,
            f"{column} is NOT NULL and has no default, and no column of {source} feeds it, so that no missing row can "
            f"be inserted; give it a default, let it be NULL, or write {{{name}: <column of the source>}} here",
        )


class CheckNotFed(ConfigError):
    """A constraint of production refuses what every new row has in a column that no column of the source feeds."""

    code = "check-not-fed"
    advice = (
        "Give the column a default for which the constraint holds, drop the constraint, or write in `columns` from "
        "which column of the source it is loaded."
    )
    example = sample(
        place="production.orders",
        what="the check orders_score_check does not hold for a new row, where score = NULL",
        source="SALES.ORDERS",
        columns=("score",),
    )

    def __init__(self, place: str, what: str, source: str, columns: Sequence[str]) -> None:
        if not columns:
            super().__init__(place, f"{what}, so that no missing row can be inserted; drop it")
            return
        names = ", ".join(columns)
        super().__init__(
            place,
            f"{what}, and no column of {source} feeds {names}, so that no missing row can be inserted; give it a "
            "default for which that holds, or write in columns from which column of the source it is loaded",
        )


class PartitionsLacking(ConfigError):
    """A partitioned table of production has no partition at all, so that no row can be written."""

    code = "partitions-lacking"
    advice = "`CREATE TABLE ... PARTITION OF ...`, or attach the partitions."
    example = sample(place="production.orders", key="HASH (id)")

    def __init__(self, place: str, key: str) -> None:
        super().__init__(
            place, f"it is partitioned by {key} and has no partition, so no row can be written; create one"
        )


class ColumnAlwaysIdentity(ConfigError):
    """A loaded column outside the key is an identity column that is always generated, so no update can set it."""

    code = "column-always-identity"
    advice = (
        "`ALTER TABLE ... ALTER COLUMN ... SET GENERATED BY DEFAULT`, or keep the source's column out with "
        "`ignored_source_columns` (`columns` without a source connection)."
    )
    example = sample(place=f"{_PLACE}.columns", table="production.orders", column="number")

    def __init__(self, place: str, table: str, column: str) -> None:
        super().__init__(
            place,
            f"{column!r} of {table} is GENERATED ALWAYS AS IDENTITY, so that no update can set it to the source's "
            f"value; ALTER TABLE {table} ALTER COLUMN {column} SET GENERATED BY DEFAULT, or do not load it",
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
        super().__init__(place, f"{column} of {table} does not lose {accepted} of the source's values; remove it here")


class ColumnsAlike(ConfigError):
    """Two columns of one side differ in letter case only, and the other side has one column for both."""

    code = "columns-alike"
    advice = "List one of the two in `ignored_source_columns`, or give each a column of its own on both sides."
    example = sample(
        place=f"{_PLACE}.ignored_source_columns",
        problem="'ID' and 'Id' of SALES.ORDERS would both be loaded into 'id' of production.orders; list one of them "
        "here, or add a column to production",
    )


class ColumnNotOmittable(ConfigError):
    """A source column cannot be left out without a source connection: DMS loads it, as it has no rule for its name."""

    code = "column-not-omittable"
    advice = "Configure `source.connection`, or load the table through a view without the column."
    example = sample(place=f"{_PLACE}.ignored_source_columns", table="SALES.ORDERS", column="NOTE#")

    def __init__(self, place: str, table: str, column: str) -> None:
        super().__init__(
            place,
            f"{column!r} of {table} cannot be left out without source.connection: DMS applies no rule to a column that "
            "has #, \\, / or - in its name, and loads it all the same, at a place that only the source knows; "
            "configure source.connection, or load the table through a view without it",
        )


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


class ColumnNotComparable(ConfigError):
    """PostgreSQL has no operators for the type of a column by which a merge has to compare rows."""

    code = "column-not-comparable"
    advice = "Give the column a type that has operators, such as the enum instead of a domain over it, or `jsonb`."
    example = sample(place=_PLACE, column="state", table="production.orders", declared="sales.state", what="its key")

    def __init__(self, place: str, column: str, table: str, declared: str, what: str) -> None:
        super().__init__(
            place,
            f"{column!r} of {table} is {declared}, whose values PostgreSQL cannot compare, and the merge compares "
            f"{what}; give it a type that has operators, such as an enum instead of a domain over it, or jsonb",
        )


class KeyCollation(ConfigError):
    """The source holds different texts of a key for equal, as with BINARY_CI: production would have a row twice."""

    code = "key-collation"
    advice = "Name another key, or give the key's column in the source a collation that tells all texts apart (BINARY)."
    example = sample(place=f"{_PLACE}.key", column="SALES.ORDERS.CODE", declared="VARCHAR2(20) COLLATE BINARY_CI")

    def __init__(self, place: str, column: str, declared: str) -> None:
        super().__init__(
            place,
            f"{column} is {declared} in the source, which holds different texts for equal, as of other case: what is "
            "one row there can be two in production; name another key, or change the column there to COLLATE BINARY",
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


class ReplicaIdentityMissing(ConfigError):
    """A publication has the production table, but nothing identifies its rows, so PostgreSQL refuses to change them."""

    code = "replica-identity-missing"
    advice = "Give the table a primary key or a REPLICA IDENTITY, or take it out of the publication."
    example = sample(place=f"{_PLACE}.target", table="production.orders")

    def __init__(self, place: str, table: str) -> None:
        super().__init__(
            place,
            f"{table} is in a publication but has no replica identity, so that PostgreSQL refuses updates and deletes; "
            "give it a primary key or ALTER TABLE ... REPLICA IDENTITY, or take it out of the publication",
        )


class PublicationUnsuitable(ConfigError):
    """PostgreSQL refuses to change rows, because a publication's row filter or columns do not suit their identity."""

    code = "publication-unsuitable"
    advice = (
        "Let the row filter name columns of the replica identity only, and the list of columns name all of these; or "
        "`ALTER TABLE ... REPLICA IDENTITY`; or publish inserts only."
    )
    example = sample(place=f"{_PLACE}.target", table="production.orders", publications="reports")

    def __init__(self, place: str, table: str, publications: str) -> None:
        super().__init__(
            place,
            f"PostgreSQL refuses updates and deletes of {table}, because it is in a publication ({publications}) whose "
            "row filter names columns outside of its replica identity, or whose list of columns does not have all of "
            "that; change the publication, or ALTER TABLE ... REPLICA IDENTITY",
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
