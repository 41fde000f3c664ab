"""Every file of sql/ can be run in psql, as its second comment line says, whatever PostgreSQL the tests run on."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from reload_assets.local.postgres import PostgresServer

SQL = Path(__file__).parents[2] / "sql"
SYNTAX_ERROR = "42601"


def shown_arguments(path: Path) -> list[str] | None:
    """The arguments for psql in a file's line ``-- psql: -v table=orders ...``; None where there is no such line."""
    found = re.search(r"^-- psql:(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(found[1]) if found else None


def complaint(postgres: PostgresServer, url: str, path: Path) -> str:
    """What psql has against a file that is run with its own arguments; empty when it understands it.

    That a table is not there is no complaint: a statement that asks for it has been understood.
    """
    arguments = shown_arguments(path)
    if arguments is None:
        return "has no line '-- psql:' that shows how to run it"
    psql: list[str | Path] = [postgres.binaries / "psql", "-X", "-q", "-d", url, "-v", "VERBOSITY=sqlstate"]
    done = subprocess.run(
        [*psql, *arguments, "-f", path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stderr if done.returncode != 0 or SYNTAX_ERROR in done.stderr else ""


def test_psql_understands_every_statement_with_the_arguments_it_shows(
    postgres: PostgresServer, new_database: Callable[[str], str]
) -> None:
    url = new_database("psql")
    found = {path.relative_to(SQL).as_posix(): complaint(postgres, url, path) for path in sorted(SQL.rglob("*.sql"))}
    assert found
    assert {name: words for name, words in found.items() if words} == {}


def test_a_statement_that_lacks_an_argument_is_found_out(postgres: PostgresServer, tmp_path: Path) -> None:
    path = tmp_path / "count.sql"
    path.write_text('-- Count.\n-- psql: -v table=orders\nSELECT count(*) FROM :"schema".:"table";\n', encoding="utf-8")
    assert SYNTAX_ERROR in complaint(postgres, postgres.url(), path)
