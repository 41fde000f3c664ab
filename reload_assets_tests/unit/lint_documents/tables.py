"""Documents about table-settings rules (AWS DMS user guide, "Table and collection settings rules and operations")."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import (
    NULLS_LOST,
    case,
    lobs,
    ranges,
    table_settings,
    with_change,
)

DOCUMENTS = [
    case("partitions", "taken", with_change(table_settings(parallel_load={"type": "partitions-auto"}))),
    case(
        "a list of partitions",
        "taken",
        with_change(table_settings(parallel_load={"type": "partitions-list", "partitions": ["A"]})),
    ),
    case(
        "an exact name with an _",
        "taken",
        with_change(table_settings(locator={"table-name": "order_items"}, parallel_load={"type": "none"})),
    ),
    case(
        "settings of all tables",
        "refused",
        with_change(table_settings(locator={"table-name": "%"}, parallel_load={"type": "none"})),
        "error: wildcard-in-exact-name",
    ),
    case(
        "settings of an escaped name",
        "refused",
        with_change(table_settings(locator={"table-name": "order[_]items"}, parallel_load={"type": "none"})),
        "error: wildcard-in-exact-name",
    ),
    case(
        "an unknown parallel load",
        "refused",
        with_change(table_settings(parallel_load={"type": "partition-auto"})),
        "error: unknown-parallel-load",
    ),
    case("ranges", "taken", ranges(["id"], [["1000"], ["3000"]]), NULLS_LOST),
    case(
        "ranges of two columns",
        "taken",
        ranges(["id", "region"], [["1000", "NORTH"], ["1000", "WEST"], ["3000", "EAST"]]),
        NULLS_LOST,
    ),
    case(
        "ranges that descend",
        "taken",
        ranges(["id"], [["900"], ["1000"], ["30"]]),
        NULLS_LOST,
        "advice: unordered-boundaries",
    ),
    case("boundaries of other columns", "refused", ranges(["id"], [["1", "NORTH"]]), "error: bad-boundaries"),
    case("ranges without boundaries", "refused", ranges(["id"], []), "error: bad-boundaries"),
    case("ranges without columns", "refused", ranges([], [["1"]]), "error: bad-boundaries"),
    case(
        "ranges of eleven columns",
        "refused",
        ranges([str(n) for n in range(11)], [["1"] * 11]),
        "error: bad-boundaries",
    ),
    case("LOBs up to 100 MB", "taken", lobs(bulk_max_size="100000")),
    case("whole LOBs", "taken", lobs(mode="unlimited", bulk_max_size="0")),
    case("LOBs as the task loads them", "taken", lobs(mode="none", bulk_max_size="100000")),
    case("whole LOBs, some at once", "taken", lobs(mode="unlimited", bulk_max_size="64"), "advice: combined-lob-mode"),
    case("an unknown LOB mode", "refused", lobs(mode="full", bulk_max_size="0"), "error: unknown-lob-mode"),
    case("limited LOBs without limit", "refused", lobs(mode="limited"), "error: bad-lob-size"),
    case("limited LOBs of nothing", "refused", lobs(mode="limited", bulk_max_size=0), "error: bad-lob-size"),
    case("limited LOBs beyond the limit", "refused", lobs(mode="limited", bulk_max_size=102401), "error: bad-lob-size"),
    case("a LOB limit with its unit", "refused", lobs(mode="limited", bulk_max_size="64 KB"), "error: bad-lob-size"),
    case("settings of nothing", "ignored", with_change(table_settings()), "error: empty-table-settings"),
]
