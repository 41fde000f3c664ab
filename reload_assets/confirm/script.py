"""Writes the confirm of one table as a psql script: the statements of ``sql/confirm`` with the table's pieces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from psycopg import sql

from reload_assets.confirm.control import KEYS_PER_SHAPE, control_pieces
from reload_assets.confirm.loop import MOST_OVERTAKEN
from reload_assets.confirm.pieces import CarriedPieces, DifferencePieces, FollowedPieces, RangePieces, WantedPieces
from reload_assets.confirm.report import MOST_REFUSED
from reload_assets.confirm.reread import text_pieces
from reload_assets.confirm.stale_source import older_pieces
from reload_assets.confirm.statements import ConfirmStatements
from reload_assets.confirm.verdicts import WRITTEN, Correction, Verdict
from reload_assets.merge.holders import freed_indexes, unique_indexes
from reload_assets.merge.side_effects import child_pieces
from reload_assets.merge.unique_swaps import swap_keys
from reload_assets.postgres.session import PROBES
from reload_assets.postgres.statements import Parts, Step, file_names, script, sections
from reload_assets.source_texts import readable

# These need a key that a skipped statement names, which is not known when the script is written.
_LEFT_OUT = ("1_keys:find_named", "1_keys:collect_named", "1_keys:find_row")
_PROBES = "\n".join(f"SET LOCAL {name} = {value};" for name, value in PROBES.items())
_NO_PROBES = "\n".join(f"SET LOCAL {name} = DEFAULT;" for name in PROBES)
_BEFORE = {"1_keys:collect_staged": _PROBES, "2_pass:note_production": _PROBES}
_AFTER = {
    "1_keys:collect_staged": _NO_PROBES,
    "1_keys:collect_orphans": "ANALYZE {keys};",
    "2_pass:note_production": _NO_PROBES,
    "2_pass:list_keys": "-- Here a pass reads the source's rows with these keys into {rows}. They are not read here.",
    "3_gone:create_control": "-- Here a confirm reads the source's rows with these keys into {again}.",
    "5_source_is_current:create_latest": "-- Here a confirm reads the source's rows with the keys in doubt: by DMS "
    "into {again}, then over its connection into {latest}.",
}
_TRUE = sql.SQL("true")
_NO_TIME = datetime(1, 1, 1)


def confirm_script(statements: ConfirmStatements) -> str:
    """Return the statements of one table's confirm in their order, with its values, as one transaction.

    The script has each statement once, while a confirm repeats some. It leaves out statements that the table does not
    need, and those about a key that a skipped statement names.
    """
    merge = statements.merge
    head = (
        f"The confirm of {merge.table.target} by {merge.reload.title}. It ends with ROLLBACK: nothing is changed.\n"
        "The source is not read, so every row seems to be gone from it. A confirm repeats steps 2 to 8 until nothing\n"
        "is left to do; sql/README.md says which of them run when."
    )
    return script(head, _statements(statements), _values(statements))


def _statements(statements: ConfirmStatements) -> Iterator[Step | str]:
    names = {
        "keys": statements.keys,
        "rows": statements.rows,
        "again": statements.again,
        "latest": older_pieces(statements).latest,
    }
    for file in file_names("confirm"):
        for section in sections(file):
            name = f"{file.rpartition('/')[2]}:{section}"
            if name == "8_compare:collect_differences" and statements.merge.table.source_columns is not None:
                yield Step("compare:create_differences", [{"no_key_texts": _no_key_texts(statements)}])
            if name in _BEFORE:
                yield _BEFORE[name]
            if name not in _LEFT_OUT:
                yield from (Step(f"confirm/{name}", [statements.pieces, *more]) for more in _besides(statements, name))
            if name in _AFTER:
                yield _AFTER[name].format(**names)


def _besides(statements: ConfirmStatements, name: str) -> list[tuple[Parts, ...]]:
    """Return what a statement names besides the table's own pieces: one element per time that it runs."""
    table, step = statements.merge.table, name.partition(":")[0]
    if name in ("2_pass:create_texts", "2_pass:type_texts", "2_pass:list_texts", "2_pass:add_unfit"):
        return [(text_pieces(table, statements.rows),)] if readable(table) is None else []
    if name == "2_pass:list_keys":
        return [(WantedPieces(wanted=statements.keys, k_is_wanted=sql.SQL("k.is_open")),)]
    if step == "3_gone":
        return [(control_pieces(statements),)]
    if step == "5_source_is_current":
        return [(older_pieces(statements),)]
    if name == "2_pass:mark_takers" and statements.exact:
        return []
    if name in ("2_pass:mark_takers", "2_pass:collect_holders"):
        return [(statements.holder_pieces(index),) for index in freed_indexes(table)]
    if name == "6_correct:find_holder":
        return [(statements.holder_pieces(index),) for index in unique_indexes(table)]
    if name == "6_correct:find_chains":
        return [(unique.pieces,) for unique in swap_keys(statements.merge)]
    if name == "6_correct:refuse_followed":
        followed = FollowedPieces(r_changes_p=_TRUE, c_stays=_TRUE)
        readables = [reference for reference in table.production.referenced_by if reference.child_readable]
        return [(child_pieces(reference), followed) for reference in readables]
    if name == "6_correct:soft_delete_rows":
        return [(statements.mark_pieces(),)] if table.options.soft_delete_column else []
    if name in ("8_compare:collect_differences", "8_compare:list_differences"):
        return [(_differences(statements),)] if table.source_columns is not None else []
    if name == "8_compare:collect_rewritten":
        return [(RangePieces(range_column=table.window.name),)]
    if name == "8_compare:collect_carried":
        return [(CarriedPieces(p_is_compared=statements.pieces.p_is_in_window),)]
    return [()]


def _key_names(statements: ConfirmStatements) -> list[str]:
    return [f"k{number}" for number, _ in enumerate(statements.merge.table.key, start=1)]


def _no_key_texts(statements: ConfirmStatements) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("NULL::text AS {}").format(sql.Identifier(name)) for name in _key_names(statements)
    )


def _differences(statements: ConfirmStatements) -> DifferencePieces:
    # Imported here because it imports SQLAlchemy, which a process without a source does not need.
    from reload_assets.compare.compared_columns import typed_key

    table = statements.merge.table
    texts = [sql.Identifier("f", name) for name in _key_names(statements)]
    return DifferencePieces(
        f_key=sql.SQL(", ").join(texts),
        f_key_typed=sql.SQL(", ").join(typed_key(text, column) for text, column in zip(texts, table.key, strict=True)),
        f_is_chosen=_TRUE,
    )


def _values(statements: ConfirmStatements) -> dict[str, Any]:
    merge = statements.merge
    # With keys instead of a window, the statements about a window run for none.
    start, end = merge.bounds or (_NO_TIME, _NO_TIME)
    return {
        "schema": merge.table.production.schema,
        "table": merge.table.production.name,
        "table_name": merge.table.name,
        "group_name": merge.reload.group_name,
        "reload_id": merge.reload.reload_id,
        "window_start": merge.reload.load_start or _NO_TIME,
        "window_end": merge.reload.window_end or _NO_TIME,
        "range_start": start,
        "range_end": end,
        "since_xid": 0,
        "shapes": [""],
        "each": KEYS_PER_SHAPE,
        "most_overtaken": MOST_OVERTAKEN,
        "most_refused": MOST_REFUSED,
        "verdict": Verdict.DELETE.value,
        "verdicts": [verdict.value for verdict in WRITTEN],
        "correction": Correction.HELD.value,
        "batch": 0,
        "most": 1,
        "places": ["(0,1)"],
        "numbers": [1],
        "absent_too": True,
        "first": 1,
        "last": 1,
        "number": 1,
        "refusal": "why, and what to do",
    }
