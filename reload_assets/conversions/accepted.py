"""Whether a user accepts what production's types lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reload_assets.canonical.lost import written
from reload_assets.errors.tables import AcceptedNotLost, ColumnNotFound, TypesLose

if TYPE_CHECKING:
    from reload_assets.tables import ReloadTable


def unaccepted(table: ReloadTable) -> list[str]:
    """Return what production's types would lose of the source's values and nobody has accepted, a clause per column."""
    found = []
    for column, pair in table.pairs:
        lost, loss = pair.conversion.lost, pair.conversion.loss
        is_window = column.name == table.window.name
        accepted = set(table.options.accept.get(column.name, ()))
        if loss is None or (lost and accepted.issuperset(lost) and not is_window):
            continue
        # A rounded value may lie in another window than the source's.
        how = "" if not lost else " (a window column must not)" if is_window else f" (accept: {written(lost)})"
        types = f"{pair.source.name} is {pair.source.declared} and {column.name} is {column.target.type}"
        found.append(f"{types}, which would lose {loss}{how}")
    return found


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
    for name, words in table.options.accept.items():
        for word in words:
            if name in lost and word not in lost[name]:
                raise AcceptedNotLost(f"{place}.accept", name, table.target, word)
