"""Reads the option ``--keys TABLE=FILE`` of ``reload-assets reload``: keys of a table from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from reload_assets.errors.windows import RequestInvalid
from reload_assets.ledger.records import Key


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


def read_key_files(files: Mapping[str, Path], columns: Mapping[str, Sequence[str]]) -> dict[str, list[Key]]:
    """Return the keys of each table. ``columns`` are the columns of its key. Raises RequestInvalid."""
    return {table: _read(table, file, columns[table]) for table, file in files.items()}


def _read(table: str, file: Path, columns: Sequence[str]) -> list[Key]:
    """Read the keys of one table: the columns that the first line names, or all columns if it names none."""
    place = f"--keys {table}={file}"
    try:
        lines = [
            (number, row)
            for number, row in enumerate(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()), start=1)
            if any(value.strip() for value in row)
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "is not a CSV file in UTF-8"
        raise RequestInvalid(place, f"{reason}; name a file with the columns {', '.join(columns)}.") from None
    positions = list(range(len(columns)))
    width = len(columns)
    if lines:
        head = [name.strip().lower() for name in lines[0][1]]
        if all(name.lower() in head for name in columns):
            positions = [head.index(name.lower()) for name in columns]
            width, lines = len(head), lines[1:]
    if not lines:
        raise RequestInvalid(place, f"has no keys; write one per line, with the columns {', '.join(columns)}.")
    for number, row in lines:
        if len(row) != width:
            raise RequestInvalid(
                place,
                f"line {number} has {len(row)} columns instead of {width}; the key is ({', '.join(columns)}): write "
                "its values in this order, or name the columns in the first line.",
            )
    return [tuple(row[position].strip() for position in positions) for _, row in lines]
