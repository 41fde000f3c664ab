"""Writes the proposed configuration as YAML, each choice with its reasons as comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reload_assets.config.model import TaskConfig
from reload_assets.config.table_names import TableName, spelled
from reload_assets.conversions.pair import Pair
from reload_assets.proposal.layout import comment, written
from reload_assets.proposal.settings import Settings, head
from reload_assets.proposal.tables import Family, LeftOut, Proposed

_HEAD = """# Written by reload-assets init from both catalogs; no row was read. Each choice has its reason beside it.
# Check whatever says GUESS or DECIDE, and that a column is set when its name says so: the name is all that was seen.
# Then: reload-assets install, reload-assets doctor. Every field: docs/configuration.md. Secrets are never written here.

"""


def configuration(
    settings: Settings,
    group: str,
    families: Sequence[Family],
    left_out: Sequence[LeftOut],
    unfed: Sequence[TableName],
) -> str:
    """Return the whole file. ``unfed``: production tables that no table of the source feeds."""
    lines = [
        *_left_out(left_out, unfed),
        "groups:",
        f"  {written(group)}:",
        *_families(families),
        "    tables:",
        *(line for family in families for one in family.tables for line in _table(settings, one)),
    ]
    return _HEAD + head(settings) + "\n" + "\n".join(lines) + "\n"


def _left_out(left_out: Sequence[LeftOut], unfed: Sequence[TableName]) -> Iterator[str]:
    if left_out:
        yield "# Left out:"
        by_reason: dict[str, list[str]] = {}
        for one in left_out:
            by_reason.setdefault(one.why, []).append(str(one.table))
        for why, tables in by_reason.items():
            yield from comment(f"- {', '.join(tables)}: {why}", 0)
    if unfed:
        yield from comment(f"No table of the source that this login may read feeds {', '.join(map(str, unfed))}.", 0)


def _families(families: Sequence[Family]) -> Iterator[str]:
    """Say which tables could not be parted, and which foreign keys lead to tables that are not here."""
    if len(families) > 1:
        yield from comment("A group is loaded and merged together. These could be groups of their own:", 4)
        for family in families:
            names = ", ".join(one.table.production.name for one in family.tables)
            yield from comment(f"- {names}{' (foreign keys connect them)' if len(family.tables) > 1 else ''}", 4)
    elif len(families[0].tables) > 1:
        yield from comment("Foreign keys connect all tables, so they are one group.", 4)
    for family in families:
        for one, key in family.outside:
            yield from comment(f"{one.table.target} refers to {key.parent}, which is not reloaded ({key.name}).", 4)


def _table(settings: Settings, one: Proposed) -> Iterator[str]:
    table, target = one.table, one.table.target
    yield f"      {written(spelled(target.name))}:"
    yield from comment(f"{table.source} -> {target}", 8)
    if table.source != TableName(settings.source_schema, target.name.upper()):
        yield f"        source: {written(_located(table.source, settings.source_schema))}"
    if target.schema != settings.production_schema:
        yield f"        target: {written(_located(target, settings.production_schema))}"
    yield from _reasons("key", one.key.reasons)
    yield f"        key: {written(list(one.key.columns))}"
    window, version = one.times.window, one.times.version
    yield from _reasons("window", window.reasons)
    if window.columns == version.columns:
        yield from _reasons("version", version.reasons)
        yield f"        window_column: {written(window.columns[0])}"
    else:
        yield f"        window_column: {written(window.columns[0])}"
        yield from _reasons("version", version.reasons)
        yield f"        version_column: {written(version.columns[0])}"
    yield from _columns(one)
    if one.lobs:
        named = ", ".join(f"{pair.target.name} ({pair.source.declared})" for pair in one.lobs)
        limit = TaskConfig().lob_limit_kb
        yield from comment(f"LOBs: {named}. A load fails if one is longer than dms.task.lob_limit_kb ({limit}).", 8)
    yield from _losses(one.losses)


def _reasons(what: str, reasons: Sequence[str]) -> Iterator[str]:
    yield from comment(f"{what}: {reasons[0]}", 8)
    for reason in reasons[1:]:
        yield from comment(reason, 8)


def _located(table: TableName, schema: str) -> str:
    name = spelled(table.name)
    return name if table.schema == schema else f"{spelled(table.schema)}.{name}"


def _columns(one: Proposed) -> Iterator[str]:
    columns = one.columns
    if columns.renamed:
        yield from comment("columns: as the CDC task names them.", 8)
        yield f"        columns: {written(dict(columns.renamed))}"
    for name, why in columns.ignored.items():
        yield from comment(f"{name} is not loaded: {why}.", 8)
    if columns.ignored:
        yield f"        ignored_source_columns: {written(list(columns.ignored))}"
    if columns.undecided:
        names = ", ".join(f"{source} ({target}?)" for source, target in columns.undecided.items())
        yield from comment(
            f"DECIDE: production has no column of the name of {names}. Write those that have another name there in "
            "columns, and the others in ignored_source_columns:",
            8,
        )
        both = {**columns.renamed, **{target: source for source, target in columns.undecided.items()}}
        yield f"        # columns: {written(both)}"
        yield f"        # ignored_source_columns: {written([*columns.ignored, *columns.undecided])}"


def _losses(losses: Sequence[Pair]) -> Iterator[str]:
    words = {pair.target.name: list(pair.conversion.lost) for pair in losses if pair.conversion.lost}
    accepted = {name: lost if len(lost) > 1 else lost[0] for name, lost in words.items()}
    for pair in losses:
        yield from comment(
            f"DECIDE: {pair.source.name} is {pair.source.declared} and {pair.target.name} is {pair.target.type}, which "
            f"would lose {pair.conversion.loss}: change the type"
            f"{', or accept the loss' if pair.conversion.lost else ', or do not load the column'}.",
            8,
        )
    if accepted:
        yield f"        # accept: {written(accepted)}"
