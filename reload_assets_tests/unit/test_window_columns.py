"""Which pairs of types can cut windows; the others are refused with what to name instead."""

from __future__ import annotations

import pytest

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.errors import ConfigError
from reload_assets.errors.tables import WindowColumnOfSource, WindowColumnType
from reload_assets.postgres.catalog import Column
from reload_assets.tables import ReloadColumn
from reload_assets.window_columns import require_window_column

TIME = "timestamp without time zone"


def required(declared: str, source: SourceColumn | None, base_type: str | None = None) -> None:
    target = Column("seen", declared, base_type or declared, False, False, False, "", False, False, True, True, None)
    described = [SourceColumn("ID", "NUMBER", None, 10, 0, False, 1), *([source] if source else [])]
    require_window_column(
        "reload.yaml: groups.g.tables.t",
        ReloadColumn("SEEN", "seen", target),
        "production.t",
        "SALES.T",
        described if source else None,
    )


def typed(data_type: str, *, precision: int | None = None, scale: int | None = None) -> SourceColumn:
    return SourceColumn("SEEN", data_type, None, precision, scale, True, 2)


@pytest.mark.parametrize(
    ("declared", "source"),
    [
        (TIME, typed("DATE")),
        (TIME, typed("TIMESTAMP(6)", scale=6)),
        (TIME, typed("TIMESTAMP(9)", scale=9)),
        (TIME, None),
        ("timestamp(0) without time zone", typed("DATE")),
        ("timestamp(3) without time zone", typed("TIMESTAMP(3)", scale=3)),
        ("timestamp(3) without time zone", None),
    ],
)
def test_a_time_that_both_sides_keep_cuts_windows(declared: str, source: SourceColumn | None) -> None:
    required(declared, source)


def test_a_domain_cuts_windows_as_its_type_does() -> None:
    required("production.moment", typed("DATE"), TIME)
    with pytest.raises(WindowColumnType, match=r"'seen' of production.t is production.moment; a window needs"):
        required("production.moment", typed("DATE"), "timestamp with time zone")


@pytest.mark.parametrize(
    "declared", ["timestamp with time zone", "date", "time without time zone", "bigint", "numeric", "text"]
)
def test_another_type_of_production_is_refused_whatever_the_source_has(declared: str) -> None:
    for source in (None, typed("TIMESTAMP(6)", scale=6)):
        with pytest.raises(WindowColumnType) as caught:
            required(declared, source)
        assert str(caught.value) == (
            f"reload.yaml: groups.g.tables.t.window_column: 'seen' of production.t is {declared}; a window needs a "
            "column of type timestamp without time zone, as DMS writes Oracle's DATE and TIMESTAMP: name another one, "
            "or add one on both sides that the application or a trigger fills. [window-column-type]"
        )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (typed("TIMESTAMP(6) WITH TIME ZONE", scale=6), "which DMS carries as text, so that its filter would not"),
        (typed("TIMESTAMP(6) WITH LOCAL TIME ZONE", scale=6), "which DMS carries as text, so that its filter would"),
        (typed("NUMBER", precision=13, scale=0), "a number, and a window is a stretch of time"),
        (typed("NUMBER"), "a number, and a window is a stretch of time"),
        (typed("BINARY_DOUBLE"), "a number, and a window is a stretch of time"),
        (typed("VARCHAR2"), "text, which a filter compares letter by letter"),
        (typed("INTERVAL DAY(2) TO SECOND(6)"), "which is not a point in time"),
        (typed("CLOB"), "by which DMS cannot filter"),
        (typed("RAW"), "by which DMS cannot filter"),
        (typed("ROWID"), "which DMS does not carry"),
    ],
)
def test_a_type_of_the_source_by_which_no_filter_cuts_a_window_is_refused(source: SourceColumn, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        required(TIME, source)
    assert isinstance(caught.value, WindowColumnOfSource)
    said = str(caught.value)
    assert f"SALES.T.SEEN is {source.declared} in the source, {why}" in said
    assert "name a column that is DATE or TIMESTAMP there, or add one on both sides" in said


@pytest.mark.parametrize("source", [typed("TIMESTAMP(6)", scale=6), typed("TIMESTAMP(9)", scale=9)])
def test_a_time_that_production_rounds_into_the_next_window_is_refused(source: SourceColumn) -> None:
    with pytest.raises(WindowColumnType) as caught:
        required("timestamp(3) without time zone", source)
    assert (
        f"'seen' of production.t is timestamp(3) without time zone and rounds {source.declared} to 3 digits, so that a "
        "row at the end of a window would be in the next one there; declare it timestamp(6)"
    ) in str(caught.value)
