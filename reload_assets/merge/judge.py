"""Decides which row wins: the rule that gives each staged row its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from psycopg import sql

from reload_assets.soft_delete import marked, unmarked
from reload_assets.tables import ReloadColumn, ReloadTable

Named = Callable[[ReloadColumn], sql.Composable]
"""How a statement names a column of one side."""


def written_columns(table: ReloadTable) -> list[ReloadColumn]:
    """Return the columns that an update sets: all except the key, or those that the reload is limited to."""
    key = {column.name for column in table.key}
    return [column for column in table.judged_columns if column.name not in key]


def judgement(table: ReloadTable, staged: Named, production: Named) -> sql.Composable:
    """Return the outcome of a staged row whose key production has, as an SQL expression over both.

    A row that is marked as deleted is as wrong as a missing one, even if its other columns are right. So no policy
    leaves it marked. A reload that is limited to columns leaves it as it is, like a missing one.
    """
    has_mark = table.options.soft_delete_column is not None
    if not written_columns(table) and not has_mark:
        return sql.SQL("'identical'")
    versions = {"ours": _version(table, staged), "theirs": _version(table, production)}
    content = differs(written_columns(table), staged, production)
    wrong, marked_row = sql.SQL("{} OR {}").format(marked(table), content), _revived(table, versions)
    if table.limited_to is not None:
        wrong, marked_row = sql.SQL("{}").format(content), sql.SQL(" WHEN {} THEN 'skipped'").format(marked(table))
    return sql.SQL(
        "CASE WHEN NOT ({wrong}) THEN 'identical'{marked_row}"
        " WHEN {ours} IS NULL OR {theirs} IS NULL THEN {unversioned}"
        " WHEN {ours} > {theirs} THEN 'updated' WHEN {ours} = {theirs} THEN {equal} ELSE 'refused' END"
    ).format(
        wrong=wrong,
        marked_row=marked_row if has_mark else sql.SQL(""),
        unversioned=sql.SQL("'repaired'" if table.options.null_version == "repair" else "'unversioned'"),
        equal=sql.SQL("'repaired'" if table.options.equal_version == "repair" else "'skipped'"),
        **versions,
    )


def outcome_without_production(table: ReloadTable) -> sql.Composable:
    """Return the outcome of a staged row whose key production lacks. Columns alone make no row."""
    return sql.SQL("'inserted'" if table.limited_to is None else "'skipped'")


def _revived(table: ReloadTable, versions: Mapping[str, sql.Composable]) -> sql.Composable:
    return sql.SQL(
        " WHEN {marked} AND ({theirs} > {ours}) IS NOT TRUE"
        " THEN CASE WHEN {ours} > {theirs} THEN 'updated' ELSE 'repaired' END"
    ).format(marked=marked(table), **versions)


def assigned(table: ReloadTable, source: Named) -> sql.Composable:
    """Return the assignments of an update of the production row ``p`` to the values of a row of the source."""
    pairs = [(column.name, source(column)) for column in written_columns(table)]
    if table.limited_to is None and (name := table.options.soft_delete_column):
        pairs.append((name, unmarked(table, sql.Identifier("p", name))))
    return sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in pairs)


def differs(columns: Sequence[ReloadColumn], left: Named, right: Named) -> sql.Composable:
    """Return the SQL condition that some of the columns differ in content between the two sides."""
    if not columns:
        return sql.SQL("false")
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join(
            sql.SQL("{} IS DISTINCT FROM {}").format(_content(column, right), _content(column, left))
            for column in columns
        )
    )


def newer(table: ReloadTable, left: Named, right: Named) -> sql.Composable:
    """Return the SQL condition that the version on the left is newer than the one on the right."""
    return sql.SQL("({} > {})").format(_version(table, left), _version(table, right))


def not_newer(table: ReloadTable, staged: Named, production: Named) -> sql.Composable:
    """Return the SQL condition that production's version is not newer than the staged one."""
    return sql.SQL("{} IS NOT TRUE").format(newer(table, production, staged))


def _content(column: ReloadColumn, named: Named) -> sql.Composable:
    if column.target.collatable:
        # Compare byte by byte: some collations, and citext, treat different texts as equal.
        return sql.SQL('{}::text COLLATE "C"').format(named(column))
    if not column.target.comparable:
        return sql.SQL("{}::text").format(named(column))
    return named(column)


def _version(table: ReloadTable, named: Named) -> sql.Composable:
    # Oracle orders text by its bytes by default, so a text version is ordered like that here too.
    written = sql.SQL('{}::text COLLATE "C"') if table.version.target.collatable else sql.SQL("{}")
    return written.format(named(table.version))
