"""Files with keys, as people and their tools write them: a key is read as it is, or the line is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reload_assets.cli.key_files import read_key_files
from reload_assets.errors.windows import RequestInvalid


def read(folder: Path, written: str | bytes, *columns: str) -> list[Any]:
    file = folder / "keys.csv"
    file.write_bytes(written.encode() if isinstance(written, str) else written)
    # What production calls order_id is SRC_ORDER_ID in the source.
    key = [SimpleNamespace(name=name, source=f"SRC_{name.upper()}") for name in columns]
    return read_key_files({"orders": file}, {"orders": cast(Any, key)})["orders"]


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("7\n8", [("7",), ("8",)]),
        ("\ufeffORDER_ID\r\n7\r\n\r\n8\r\n", [("7",), ("8",)]),
        ("note;order_id\nx;007\n", [("007",)]),
        ("src_order_id\tnote\n7\tx\n", [("7",)]),
        # Blanks around a value do not count, but those in quotes do.
        ('a b , x\n" a ", "b"\n', [("a b", "x"), (" a ", "b")]),
        ("order_id;line_no\n7;1\n", [("7", "1")]),
        ("7;1\n8;2\n", [("7", "1"), ("8", "2")]),
        ('"7";"1;2"\n', [("7", "1;2")]),
        ("7,\n", [("7", "")]),
        # Of one column, any separator may be in a value, and of a text, any character.
        ("a;b\n", [("a;b",)]),
        ('"a,""b"""\n5" pipe\n', [('a,"b"',), ('5" pipe',)]),
        ('"two\r\nlines"\n"\u2028x\x0c"\n', [("two\r\nlines",), ("\u2028x\x0c",)]),
    ],
)
def test_keys_are_read_as_they_are(tmp_path: Path, written: str, keys: list[Any]) -> None:
    assert read(tmp_path, written, *["order_id", "line_no"][: len(keys[0])]) == keys


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # Joined, the two lines would be the key 78.
        ('order_id\n"7\n8\n', 'line 2 has a quote (") that does not end'),
        ('"7"8\n', "line 1 has a quote"),
        ('"two\nlines"\n\n7,8\n', "line 4 has 2 columns instead of 1"),
        ("order_id\n", "has no keys"),
        (b"M\xfcller\n", "is not a CSV file in UTF-8"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, written: str | bytes, said: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read(tmp_path, written, "order_id")
    assert said in str(refused.value)
