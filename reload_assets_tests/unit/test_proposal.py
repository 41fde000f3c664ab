"""What ``reload-assets init`` chooses of two catalogs, and the reasons that it gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

import pytest
import yaml

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.config.model import parse_config
from reload_assets.config.table_names import TableName, located, spelled
from reload_assets.postgres.catalog import CatalogTable, Column, ForeignKey, UniqueIndex
from reload_assets.proposal.choice import Choice, NotChosen, Times, choose_key, choose_times
from reload_assets.proposal.file import configuration
from reload_assets.proposal.hints import counts_versions, says
from reload_assets.proposal.layout import written
from reload_assets.proposal.paired import Described, pair_columns
from reload_assets.proposal.settings import Server, Settings, draft
from reload_assets.proposal.tables import LeftOut, Proposed, families, propose

TIME = "timestamp without time zone"
SIDES = {"both": (True, True), "source": (True, False), "production": (False, True), "none": (False, False)}


def source_column(name: str, written: str, position: int) -> SourceColumn:
    """A column as ``NUMBER(10,2)``, ``DATE NOT NULL`` or ``VARCHAR2(3)`` describe it."""
    declared = written.removesuffix(" NOT NULL")
    sizes = [int(size) for size in re.findall(r"\d+", declared)] if declared.startswith(("NUMBER", "VARCHAR2")) else []
    is_number = declared.startswith("NUMBER")
    return SourceColumn(
        name=name,
        data_type=re.sub(r"\(.*", "", declared) if sizes else declared,
        length=None if is_number or not sizes else sizes[0],
        precision=sizes[0] if is_number and sizes else None,
        scale=(sizes[1] if len(sizes) > 1 else 0) if is_number and sizes else None,
        nullable=written == declared,
        position=position,
    )


def target_column(name: str, written: str) -> Column:
    declared = written.removesuffix(" NOT NULL")
    text = declared.startswith(("text", "char"))
    return Column(name, declared, declared, False, written != declared, False, "", False, text, True, True, None)


def unique(*columns: str, primary: bool = False, deferrable: bool = False) -> UniqueIndex:
    return UniqueIndex("_".join(columns), primary, deferrable, False, list(columns), None, [], list(columns))


def refers_to(table: str) -> ForeignKey:
    return ForeignKey(f"to_{table}", "production", table, False, ["a"], ["id"])


def table(
    source: Mapping[str, str],
    production: Mapping[str, str],
    *,
    name: str = "orders",
    keys: Sequence[UniqueIndex] = (unique("id", primary=True),),
    source_keys: Sequence[Sequence[str]] = (("ID",),),
    indexed: Mapping[str, str] | None = None,
    parents: Sequence[str] = (),
    names: Mapping[str, str | None] | None = None,
) -> Described:
    """A table SALES.ORDERS with its counterpart. ``indexed`` says on which sides a column leads an index."""
    sides = {column: SIDES[where] for column, where in (indexed or {}).items()}
    return Described(
        source=TableName("SALES", name.upper()),
        columns=[source_column(column, declared, at) for at, (column, declared) in enumerate(source.items())],
        source_keys=source_keys,
        source_indexed=frozenset(column.upper() for column, (there, _) in sides.items() if there),
        production=CatalogTable(
            schema="production",
            name=name,
            columns=[target_column(column, declared) for column, declared in production.items()],
            unique_indexes=list(keys),
            foreign_keys=[refers_to(parent) for parent in parents],
            referenced_by=[],
            partition_columns=[],
            part_of=[],
            triggers=[],
            hides_rows=False,
            rules=[],
            foreign_parts=[],
        ),
        indexed=frozenset(column for column, (_, here) in sides.items() if here),
        names=names,
    )


def timed(indexed: Mapping[str, str] | None = None, **columns: str) -> Described:
    """A table with these columns beside its key; those that are times are timestamps in production."""
    there = {"ID": "NUMBER(10) NOT NULL", **{name.upper(): declared for name, declared in columns.items()}}
    kept = {
        name: TIME if re.match("DATE|TIMESTAMP", declared) else "bigint" if "NUMBER" in declared else "text"
        for name, declared in columns.items()
    }
    return table(there, {"id": "bigint NOT NULL", **kept}, indexed=indexed)


def times(described: Described) -> Times:
    found = choose_times(described, pair_columns(described))
    assert isinstance(found, Times)
    return found


def key(described: Described) -> Choice:
    found = choose_key(described, pair_columns(described))
    assert isinstance(found, Choice)
    return found


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        *((name, "change") for name in ("UPDATED_AT", "LAST_UPD", "LASTUPDATE", "MODIFIED", "MODDATE", "updatedAt")),
        *((name, "change") for name in ("LAST_MODIFIED_DATE", "CHG_DT", "SYS_UPDATE_TIME", "CREATED_OR_UPDATED")),
        *((name, "creation") for name in ("CREATED", "CREATE_DATE", "CREATION_TS", "INS_DT", "INSERTED_AT")),
        # What it says, it says of one column.
        *((name, None) for name in ("STATUS_CHANGED_AT", "PASSWORD_UPDATED", "ORDER_DATE", "TS", "LAST_LOGIN", "ID")),
    ],
)
def test_a_name_says_when_its_column_is_set(name: str, hint: str | None) -> None:
    assert says(name, "ORDERS") == hint


def test_a_word_for_the_table_before_the_name_says_nothing() -> None:
    assert says("ORD_UPD_DT", "ORDERS") == "change"
    assert says("CUS_UPD_DT", "CLIENTS") is None
    assert says("CUS_UPD_DT", "CLIENTS", ["CUS_ID", "CUS_NAME", "CUS_UPD_DT", "NOTE"]) == "change"
    assert says("CUS_UPD_DT", "CLIENTS", ["ID", "CUS_NAME", "CUS_UPD_DT", "NOTE"]) is None


def test_a_number_of_a_version_is_known_by_its_name() -> None:
    names = ["VERSION", "ROW_VERSION", "OBJECT_VERSION_NUMBER", "OPTLOCK", "APP_VERSION", "CONVERSION", "ID"]
    assert [name for name in names if counts_versions(name)] == names[:4]


@pytest.mark.parametrize(
    ("columns", "indexed", "window", "version"),
    [
        # The name counts more than NULL and indexes.
        ({"created": "DATE NOT NULL", "updated": "DATE"}, {"created": "both"}, "updated", "updated"),
        # Of equal names, NOT NULL counts more than indexes, and indexes more than digits and the order.
        ({"updated": "DATE", "modified": "DATE NOT NULL"}, {"updated": "both"}, "modified", "modified"),
        ({"ordered": "DATE", "shipped": "DATE"}, {"shipped": "both", "ordered": "source"}, "shipped", "shipped"),
        ({"ordered": "DATE", "shipped": "DATE"}, {"shipped": "source"}, "shipped", "shipped"),
        ({"ordered": "DATE", "shipped": "TIMESTAMP(6)"}, {}, "shipped", "shipped"),
        ({"ordered": "DATE", "shipped": "DATE"}, {}, "ordered", "ordered"),
        # The version needs digits, and no index.
        ({"upd_date": "DATE", "upd_ts": "TIMESTAMP(6)"}, {"upd_date": "both"}, "upd_date", "upd_ts"),
        ({"upd_date": "DATE", "upd_ts": "TIMESTAMP(3)"}, {}, "upd_ts", "upd_ts"),
        # A number that every change raises is a better version than the time of creation.
        ({"created": "DATE", "lock_version": "NUMBER(9)"}, {}, "created", "lock_version"),
        ({"updated": "DATE", "lock_version": "NUMBER(9)"}, {}, "updated", "updated"),
        ({"created": "DATE", "version": "VARCHAR2(9)"}, {}, "created", "created"),
    ],
)
def test_the_best_window_and_version_are_chosen(
    columns: dict[str, str], indexed: dict[str, str], window: str, version: str
) -> None:
    found = times(timed(indexed, **columns))
    assert (found.window.columns, found.version.columns) == ((window,), (version,))


def test_the_reasons_say_what_is_known_and_what_is_a_guess() -> None:
    known = times(timed({"updated_at": "both"}, updated_at="TIMESTAMP(6) NOT NULL", created="DATE"))
    assert known.window.reasons == (
        "updated_at is TIMESTAMP(6), NOT NULL, indexed on both sides; by its name, every change of a row sets it.",
        "Also possible: created (DATE, may be NULL, not indexed).",
    )
    assert known.version.reasons == ("the same column, for that reason.",)
    seconds = times(timed({"upd": "source"}, upd="DATE", row_version="NUMBER(9)"))
    assert seconds.window.reasons == (
        "upd is DATE, may be NULL (such a row is in no window), indexed in the source, not in production; by its name, "
        "every change of a row sets it.",
    )
    assert "two changes within a second have the same version" in seconds.version.reasons[0]
    assert seconds.version.reasons[1] == "Also possible: row_version (NUMBER(9,0))."
    guessed = times(timed({}, created="DATE NOT NULL", **{f"day_{n}": "DATE" for n in range(5)}))
    assert guessed.window.reasons[0].startswith(
        "GUESS: created is DATE, NOT NULL, not indexed; by its name, it is set "
    )
    assert guessed.window.reasons[1].endswith("day_2 (DATE, may be NULL, not indexed), and 2 more.")
    assert guessed.version.reasons[0].startswith("GUESS: the same column, for lack of one that every change sets.")
    numbered = times(timed(created="DATE", version="NUMBER(9)"))
    assert numbered.version.reasons == ("GUESS: version is NUMBER(9,0); by its name, every change of a row raises it.",)


@pytest.mark.parametrize(
    ("source", "production"),
    [
        ("TIMESTAMP(6) WITH TIME ZONE", TIME),
        ("DATE", "date"),
        ("DATE", "timestamp with time zone"),
        ("TIMESTAMP(6)", "timestamp(3) without time zone"),
        ("VARCHAR2(20)", TIME),
    ],
)
def test_a_column_that_cuts_no_windows_is_not_chosen_and_named(source: str, production: str) -> None:
    described = table({"ID": "NUMBER(5)", "UPDATED": source}, {"id": "bigint", "updated": production})
    found = propose(described)
    assert isinstance(found, LeftOut)
    assert found.why.startswith("no column is DATE or TIMESTAMP in the source and timestamp without time zone")
    assert found.why.endswith(f"(updated is {source_column('U', source, 1).declared} and {production})")


COLUMNS = {"ID": "NUMBER(5)", "LINE": "NUMBER(5)", "MAIL": "VARCHAR2(9)", "AT": "DATE"}
KEPT = {"id": "bigint NOT NULL", "line": "integer NOT NULL", "mail": "text", "at": TIME}


@pytest.mark.parametrize(
    ("keys", "source_keys", "chosen", "reason"),
    [
        ([unique("id", primary=True)], [["ID"]], ("id",), "the primary key of production, which is unique in the so"),
        # In the order of production's index; the source's may be another.
        ([unique("id", "line", primary=True)], [["LINE", "ID"]], ("id", "line"), "the primary key of production"),
        # A reload cannot use a primary key that the source does not share.
        ([unique("id", primary=True), unique("line")], [["LINE"]], ("line",), "a unique index of both sides"),
        ([unique("mail"), unique("id", "line")], [["MAIL"], ["ID", "LINE"]], ("id", "line"), "a unique index of both"),
        ([unique("id", "line"), unique("line")], [["LINE"], ["ID", "LINE"]], ("line",), "a unique index of both sides"),
        ([unique("id", deferrable=True), unique("line")], [["ID"], ["LINE"]], ("line",), "a unique index of both"),
    ],
)
def test_the_key_is_unique_on_both_sides(
    keys: list[UniqueIndex], source_keys: list[list[str]], chosen: tuple[str, ...], reason: str
) -> None:
    found = key(table(COLUMNS, KEPT, keys=keys, source_keys=source_keys))
    assert found.columns == chosen
    assert found.reasons[0].startswith(reason)


def test_other_keys_and_keys_that_may_be_null_are_named() -> None:
    found = key(table(COLUMNS, KEPT, keys=[unique("mail"), unique("line")], source_keys=[["MAIL"], ["LINE"]]))
    assert found.reasons[1:] == ("Also unique on both sides: (mail).",)
    found = key(table(COLUMNS, KEPT, keys=[unique("mail")], source_keys=[["MAIL"]]))
    assert found.reasons[1].startswith("GUESS: mail may be NULL in production")


@pytest.mark.parametrize(
    ("keys", "source_keys", "why"),
    [
        ([], [["ID"]], "production.orders has no unique index over all rows; create one on the source's key"),
        ([unique("id")], [], "the source has neither a primary key nor a unique index for it; create one"),
        ([unique("id")], [["LINE"]], "no key is one of both sides: (id) is not a key of SALES.ORDERS"),
        (
            [unique("id", deferrable=True), unique("id")],
            [["ID"]],
            "no key is one of both sides: (id) is deferrable",
        ),
        ([unique("id", deferrable=True)], [["ID"]], "no key is one of both sides: (id) is deferrable, so that no"),
        ([unique("own")], [["ID"]], "no key is one of both sides: (own) has own, which no column of SALES.ORDERS feed"),
        ([unique("rounded")], [["ROUNDED"]], "no key is one of both sides: (rounded) does not keep its values: ROUND"),
    ],
)
def test_a_table_without_a_key_is_left_out_with_the_reason(
    keys: list[UniqueIndex], source_keys: list[list[str]], why: str
) -> None:
    found = propose(
        table(
            {**COLUMNS, "ROUNDED": "NUMBER(9,3)"},
            {**KEPT, "own": "integer", "rounded": "numeric(9,2)"},
            keys=keys,
            source_keys=source_keys,
        )
    )
    assert isinstance(found, LeftOut)
    assert found.why.startswith(why)


def test_columns_are_paired_by_name_and_a_resemblance_is_only_a_question() -> None:
    columns = pair_columns(
        table(
            {"ID": "NUMBER(5)", "CUST_NM": "VARCHAR2(9)", "NAME": "DATE", "OLD": "DATE", "WHERE_IT_IS": "SDO_GEOMETRY"},
            {"id": "bigint", "cust_name": "text", "rank": "int", "name": TIME},
        )
    )
    assert [(pair.source.name, pair.target.name) for pair in columns.pairs] == [("ID", "id"), ("NAME", "name")]
    # A date does not become a number, so OLD can only be left out.
    assert columns.undecided == {"CUST_NM": "cust_name"}
    assert columns.ignored == {
        "WHERE_IT_IS": "DMS does not carry SDO_GEOMETRY",
        "OLD": "production has no column for it",
    }
    assert columns.renamed == {}


def test_the_cdc_task_says_how_columns_are_named() -> None:
    columns = pair_columns(
        table(
            {"ID": "NUMBER(5)", "CUST_NM": "VARCHAR2(9)", "SECRET": "VARCHAR2(9)"},
            {"id": "bigint", "customer_name": "text", "secret": "text"},
            names={"ID": "id", "CUST_NM": "customer_name", "SECRET": None},
        )
    )
    assert columns.renamed == {"customer_name": "CUST_NM"}
    assert columns.ignored == {"SECRET": "the CDC task leaves it out"}
    assert columns.undecided == {}


def test_a_column_that_only_the_source_has_is_ignored_whatever_its_name() -> None:
    found = propose(table({**COLUMNS, "NOTE#": "VARCHAR2(3)"}, KEPT))
    assert isinstance(found, Proposed)
    assert found.columns.ignored == {"NOTE#": "production has no column for it"}


def proposed(name: str, *parents: str) -> Proposed:
    found = propose(table(COLUMNS, KEPT, name=name, parents=parents))
    assert isinstance(found, Proposed)
    return found


def test_tables_that_foreign_keys_connect_stay_together() -> None:
    found = families(
        [proposed("lines", "orders", "products"), proposed("clients"), proposed("log"), proposed("orders", "clients")]
    )
    assert [[one.table.production.name for one in family.tables] for family in found] == [
        ["clients", "lines", "orders"],
        ["log"],
    ]
    assert [[key.parent for _, key in family.outside] for family in found] == [["production.products"], []]


SERVER = Server({"env": "A_HOST"}, 1521, "SALES PDB", "yes", "A_PASSWORD")


def settings(**others: object) -> Settings:
    values: dict[str, object] = {
        "source_schema": "SALES",
        "dialect": "oracle",
        "source": SERVER,
        "target": SERVER,
        "production_schema": "production",
        "region": "eu-west-1",
        "endpoint_url": None,
        "instance_arn": {"env": "AN_ARN"},
        "source_arn": "arn:1",
        "target_arn": "arn:2",
        "task_arn": None,
        "first": date(2025, 1, 1),
    }
    return Settings(**{**values, **others})  # type: ignore[arg-type]


def test_the_file_loads_and_says_what_was_chosen() -> None:
    odd = propose(
        table(
            {**COLUMNS, "PRICE": "NUMBER(9,3)", "CUST_NM": "VARCHAR2(9)", "BODY": "CLOB", "OLD": "BFILE"},
            {**KEPT, "price": "numeric(9,2)", "customer": "text", "body": "text"},
            name="no",
            parents=["products"],
        )
    )
    assert isinstance(odd, Proposed)
    out = [LeftOut(TableName("SALES", name), "production has no table of this name") for name in ("A", "B")]
    made = settings(task_arn={"env": "TASK"}, load_role="dms", control_schema="logs", from_task=True)
    text = configuration(made, "sales", families([odd, proposed("log")]), out, [TableName("production", "report")])
    config = parse_config(text)
    assert config.source.connection is not None
    assert (config.source.connection.database, config.source.connection.user) == ("SALES PDB", "yes")
    assert config.cdc is not None
    assert (config.cdc.control_schema, config.target.load_role) == ("logs", "dms")
    entry = config.groups["sales"].tables["no"]
    assert (entry.source, entry.key, entry.window_column) == (None, ["id"], "at")
    assert entry.ignored_source_columns == ["OLD"]
    lines = [line.strip() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 120
    for said in (
        "# - SALES.A, SALES.B: production has no table of this name",
        "# No table of the source that this login may read feeds production.report.",
        "# production.no refers to production.products, which is not reloaded (to_products).",
        "# SALES.NO -> production.no",
        "# columns: {customer: CUST_NM}",
        "# ignored_source_columns: [OLD, CUST_NM]",
        "# LOBs: body (CLOB). A load fails if one is longer than dms.task.lob_limit_kb (1024).",
        "# accept: {price: decimals}",
    ):
        assert said in lines
    # What is suggested loads, too.
    for suggested in ("columns: {customer: CUST_NM}", "accept: {price: decimals}"):
        assert parse_config(text.replace(f"# {suggested}", suggested))


def test_a_draft_has_the_connections_of_the_file() -> None:
    config = parse_config(draft(settings(), "sales"))
    assert config.dms.source_endpoint_arn == "arn:1"
    assert config.cdc is None


@pytest.mark.parametrize("name", ["orders", "no", "1", "a.b", '"quoted"', "über", "a: b", "# x", "2025-01-01", "Ab c"])
def test_names_are_written_so_that_they_are_read_again(name: str) -> None:
    assert yaml.safe_load(f"{{{written(spelled(name))}: {written([name])}}}") == {spelled(name): [name]}
    assert located(spelled(name), "s") == TableName("s", name)


def test_nothing_to_choose_is_a_reason() -> None:
    described = table({"ID": "NUMBER(5)"}, {"id": "bigint"})
    found = choose_times(described, pair_columns(described))
    assert isinstance(found, NotChosen)
    assert "(" not in found.why
