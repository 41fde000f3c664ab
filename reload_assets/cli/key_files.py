"""Reads the option ``--keys TABLE=FILE`` of ``reload-assets reload``: keys of a table from a CSV file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Key
from reload_assets.tables import ReloadColumn

_SEPARATORS = (",", ";", "\t")


def split_options(option: str, written: Sequence[str], example: str) -> dict[str, str]:
    """Return what an option of the form ``TABLE=...`` says of each table. Raises RequestInvalid."""
    found: dict[str, str] = {}
    for one in written:
        table, equals, rest = one.partition("=")
        if not equals or not table or not rest:
            raise RequestInvalid(option, f"{one!r} does not name a table and what is of it; write it as {example}.")
        if table in found:
            raise RequestInvalid(option, f"{table!r} is named twice; put what is of it into one option.")
        found[table] = rest
    return found


def read_key_files(files: Mapping[str, Path], columns: Mapping[str, Sequence[ReloadColumn]]) -> dict[str, list[Key]]:
    """Return the keys of each table. ``columns`` are the columns of its key. Raises RequestInvalid."""
    return {table: _read(table, file, columns[table]) for table, file in files.items()}


def _read(table: str, file: Path, key: Sequence[ReloadColumn]) -> list[Key]:
    """Read the keys of one table: the columns that the first line names, or all columns if it names none."""
    place = f"--keys {table}={file}"
    columns = ", ".join(column.name for column in key)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not a CSV file in UTF-8"
        raise RequestInvalid(place, f"{reason}; name a file with the columns {columns}.") from None
    rows = list(_rows(place, text, _separator(place, text, key)))
    positions = _named(rows[0][1], key) if rows else None
    width = len(key) if positions is None else len(rows.pop(0)[1])
    if not rows:
        raise RequestInvalid(place, f"has no keys; write one per line, with the columns {columns}.")
    for number, row in rows:
        if len(row) != width:
            raise RequestInvalid(
                place,
                f"line {number} has {len(row)} columns instead of {width}; the key is ({columns}): write "
                "its values in this order, or name the columns in the first line.",
            )
    return [tuple(row[position] for position in positions or range(width)) for _, row in rows]


def _separator(place: str, text: str, key: Sequence[ReloadColumn]) -> str:
    """Return the separator with which the first line names the columns of the key, or has a value for each."""
    for separator in _SEPARATORS:
        try:
            _, head = next(_rows(place, text, separator))
        except (StopIteration, RequestInvalid):
            continue
        # A file of one column has no separator, and any of them may be in a value.
        if _named(head, key) is not None or len(head) == len(key) > 1:
            return separator
    return _SEPARATORS[0]


def _named(head: Sequence[str], key: Sequence[ReloadColumn]) -> list[int] | None:
    """Return where a first line names the columns of the key, as production or else the source does; None if not."""
    found = [name.strip().lower() for name in head]
    for names in ([column.name.lower() for column in key], [column.source.lower() for column in key]):
        if all(name in found for name in names):
            return [found.index(name) for name in names]
    return None


def _rows(place: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its line.

    Blanks around a value are left out, but not those that are quoted with it, which Python's reader does not tell
    apart. Raises RequestInvalid for a quote without an end.
    """
    value = re.compile(rf' *(?:"(?P<quoted>(?:[^"]|"")*)" *|(?P<plain>(?!")[^{separator}\r\n]*))({separator}|\r\n?|\n)')
    ended = text if text.endswith(("\n", "\r")) else f"{text}\n"
    row: list[str] = []
    place_in_text, line, first = 0, 1, 1
    while place_in_text < len(ended):
        found = value.match(ended, place_in_text)
        if found is None:
            raise RequestInvalid(
                place, f'line {line} has a quote (") that does not end, or ends within a value; write "" for one in it.'
            )
        row.append(found["plain"].strip() if found["quoted"] is None else found["quoted"].replace('""', '"'))
        place_in_text = found.end()
        line += len(re.findall(r"\r\n?|\n", found[0]))
        if found[3] != separator:
            if any(one.strip() for one in row):
                yield first, row
            row, first = [], line
