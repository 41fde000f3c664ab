"""Whether a user accepts what production's types lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reload_assets.errors.tables import AcceptedNotLost, ColumnNotFound, TypesLose

if TYPE_CHECKING:
    from reload_assets.tables import ReloadTable


def unaccepted(table: ReloadTable) -> list[str]:
    """Return what production's types would lose of the source's values and nobody has accepted, a clause per column."""
    accepted = table.options.accept
    return [
        f"{pair.source.name} is {pair.source.declared} and {column.name} is {column.target.type}, which would lose "
        f"{pair.conversion.loss}{'' if pair.conversion.lost is None else f' (accept: {pair.conversion.lost})'}"
        for column, pair in table.pairs
        if pair.conversion.loss is not None
        and (pair.conversion.lost is None or accepted.get(column.name) != pair.conversion.lost)
    ]


def require_accepted(place: str, table: ReloadTable) -> None:
    """Require that ``accept`` names all that is lost, and nothing else. ``place`` is the table's.

    Raises ConfigError. Without a description of the source nothing is known, and nothing required.
    """
    names = [column.name for column in table.columns]
    for name in table.options.accept:
        if name not in names:
            raise ColumnNotFound(f"{place}.accept", name, table.target, names)
    if found := unaccepted(table):
        raise TypesLose(f"{place}.accept", table.target, found)
    lost = {column.name: pair.conversion.lost for column, pair in table.pairs}
    for name, accepted in table.options.accept.items():
        if name in lost and lost[name] is None:
            raise AcceptedNotLost(f"{place}.accept", name, table.target, accepted)
