"""``reload-assets init`` on the embedded stack: from two catalogs to a file that the doctor passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from psycopg import sql

from reload_assets.cli import main
from reload_assets.code_location import build_code_location
from reload_assets.config.model import load_config, parse_config
from reload_assets.local.oracle import OracleColumn, OracleTable, create_table
from reload_assets.local.stack import Stack, checkout_file


def init(stack: Stack, *arguments: str) -> Result:
    """Run ``reload-assets init`` for the stack's source, whose dialect no variable says."""
    found = {name.removeprefix("RELOAD_SOURCE_"): value for name, value in stack.environment.items()}
    url = f"postgresql://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['DATABASE']}"
    return CliRunner().invoke(
        main, ["init", "--source-schema", "SALES", "--source", url, *arguments], catch_exceptions=False
    )


def test_what_it_writes_is_the_reference_configuration_and_passes_the_doctor(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "reload.yaml"
    done = init(stack, "--output", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith(f"{file}: tables: 4, left out: 0, guesses to check: 2, decisions to make: 0.")
    ours, theirs = load_config(file), load_config(checkout_file("reload.yaml"))
    assert {name: config.window_column for name, config in ours.groups["sales"].tables.items()} == {
        name: config.window_column for name, config in theirs.groups["sales"].tables.items()
    }
    for name, table in theirs.groups["sales"].tables.items():
        found = ours.groups["sales"].tables[name]
        assert (found.version, found.columns, found.ignored_source_columns) == (table.version, None, [])
        assert found.key == (table.key or [f"{name.removesuffix('s')}_id"])
    assert (ours.target.load_role, ours.cdc and ours.cdc.control_schema) == ("dms", "dmslogs")
    written = file.read_text(encoding="utf-8")
    assert "customers, order_items, orders (foreign keys connect them)" in written
    assert [value for name, value in stack.environment.items() if name.endswith("PASSWORD") and value in written] == []

    checked = CliRunner().invoke(main, ["--config", str(file), "doctor"], catch_exceptions=False)
    assert checked.exit_code == 0, checked.stdout
    assert "ok" in {line.split()[0] for line in checked.stdout.splitlines()}
    location = build_code_location(ours)
    assert location.left_out == {}
    assert location.definitions.resolve_job_def("reload_sales")

    # A second time, it overwrites nothing.
    again = init(stack, "--output", str(file))
    assert (again.exit_code, again.stderr) == (
        1,
        f"{file}: exists already, and nothing is overwritten; name another file with --output, or -. "
        "[config-file-exists]\n",
    )
    assert file.read_text(encoding="utf-8") == written


@pytest.fixture
def more_tables(stack: Stack) -> Iterator[None]:
    """Tables that the CDC task does not carry: one with another spelling, one without a key, one without a time."""
    columns = [OracleColumn("ID", "NUMBER(5)", nullable=False), OracleColumn("UPDATED_AT", "TIMESTAMP(6)")]
    tables = [OracleTable("Parts", columns, ["ID"]), OracleTable("NOTES", columns), OracleTable("KINDS", columns[:1])]
    with stack.connect_source() as source, stack.connect_target() as target:
        for table in tables:
            create_table(source, "SALES", table)
            name = sql.Identifier("SALES", table.name)
            reader = sql.Identifier(stack.environment["RELOAD_SOURCE_USER"])
            source.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, reader))
        target.execute('CREATE TABLE production."PARTS" (id int PRIMARY KEY, updated_at timestamp)')
        target.execute("CREATE TABLE production.notes (id int PRIMARY KEY, updated_at timestamp)")
        target.execute("CREATE TABLE production.reports (id int)")
        yield
        for table in tables:
            source.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("SALES", table.name)))
        target.execute('DROP TABLE production."PARTS", production.notes, production.reports')


@pytest.mark.usefixtures("more_tables")
def test_tables_are_paired_by_the_cdc_task_or_else_by_name(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = init(stack, "--output", "-", "--group", "everything")
    assert list(parse_config(carried.stdout).groups["everything"].tables) == [
        "customers",
        "order_items",
        "orders",
        "documents",
    ]
    assert "# - SALES.KINDS, SALES.NOTES, SALES.Parts: the CDC task does not carry it\n" in carried.stdout

    # The task's ARN on the command line says the others.
    task = stack.environment["RELOAD_CDC_TASK_ARN"]
    for name in ("RELOAD_CDC_TASK_ARN", "RELOAD_DMS_INSTANCE_ARN", "RELOAD_DMS_SOURCE_ARN", "RELOAD_DMS_TARGET_ARN"):
        monkeypatch.delenv(name)
    named = parse_config(init(stack, "--output", "-", "--cdc-task", task).stdout)
    assert named.dms.source_endpoint_arn == stack.environment["RELOAD_DMS_SOURCE_ARN"]
    assert named.dms.replication_instance_arn == stack.environment["RELOAD_DMS_INSTANCE_ARN"]
    assert named.cdc is not None
    assert named.cdc.task_arn == task

    for name in ("RELOAD_DMS_INSTANCE_ARN", "RELOAD_DMS_SOURCE_ARN", "RELOAD_DMS_TARGET_ARN"):
        monkeypatch.setenv(name, stack.environment[name])
    by_name = init(stack, "--output", "-")
    config = parse_config(by_name.stdout)
    assert config.cdc is None
    assert config.groups["sales"].tables["PARTS"].source == "Parts"
    assert "# - SALES.KINDS: production has no table of this name\n" in by_name.stdout
    assert "# - SALES.NOTES: the source has neither a primary key nor a unique index for it;" in by_name.stdout
    assert "may read feeds production.reports.\n" in by_name.stdout
    assert yaml.safe_load(by_name.stdout)["windows"]["cadence"] == "daily"


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["--source", "postgresql://me@127.0.0.1:9/source"], {}, "The source postgresql 127.0.0.1:9/source as user me"),
        (
            [],
            {"RELOAD_TARGET_HOST": ""},
            "target.connection.host: the environment variable RELOAD_TARGET_HOST is not",
        ),
        ([], {"RELOAD_TARGET_PORT": "9"}, "target.connection: cannot log in to PostgreSQL as reload_job@127.0.0.1:9"),
        (["--source-schema", "SALE"], {}, "has no schema 'SALE' (did you mean 'SALES'?)"),
        (
            ["--cdc-task", "arn:aws:dms:us-east-1:0:task:NO"],
            {},
            "DMS knows no CDC task arn:aws:dms:us-east-1:0:task:N",
        ),
        (
            ["--target-schema", "elsewhere"],
            {"RELOAD_CDC_TASK_ARN": ""},
            "SALES -> elsewhere: no table can be reloaded: SALES.CUSTOMERS: elsewhere has no table of this name (and 3 "
            "more); check --source-schema and --target-schema. [nothing-to-propose]",
        ),
        (["--group", "No Group"], {}, "groups"),
        (["--output", "nowhere/reload.yaml"], {}, "nowhere/reload.yaml: cannot be written (No such file or directory)"),
    ],
)
def test_a_bad_end_is_one_sentence(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    failed = init(stack, *(["--output", "-"] if "--output" not in arguments else []), *arguments)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert sentence in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
