"""Documents about transformation rules (AWS DMS user guide, "Transformation rules and actions")."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents.builders import (
    BEFORE,
    INT8,
    KEY,
    TEXT,
    case,
    change,
    with_change,
)

DOCUMENTS = [
    case("a renamed column", "taken", with_change(change("rename", value="total"))),
    case(
        "a rename by an expression",
        "taken",
        with_change(change("rename", "table", expression="'x' || $TABLE_NAME_VAR")),
    ),
    case("a rename without a value", "refused", with_change(change("rename")), "error: missing-member"),
    case(
        "a prefix without its old value",
        "refused",
        with_change(change("replace-prefix", value="a")),
        "error: missing-member",
    ),
    case(
        "an unknown transformation",
        "refused",
        with_change(change("convert-column-type", data_type=INT8)),
        "error: unknown-action",
    ),
    case(
        "an unknown rule-target",
        "refused",
        with_change(change("convert-uppercase", rule_target="columns")),
        "error: unknown-rule-target",
    ),
    case("a removed table", "refused", with_change(change("remove-column", "table")), "error: wrong-rule-target"),
    case(
        "a table's data type",
        "refused",
        with_change(change("change-data-type", "table", data_type=INT8)),
        "error: wrong-rule-target",
    ),
    case(
        "a column's primary key",
        "refused",
        with_change(change("define-primary-key", primary_key_def=KEY)),
        "error: wrong-rule-target",
    ),
    case(
        "a masked table", "refused", with_change(change("data-masking-hash-mask", "table")), "error: wrong-rule-target"
    ),
    case(
        "a column rule without column",
        "refused",
        with_change(change("convert-uppercase", locator={"column-name": None})),
        "error: incomplete-object-locator",
    ),
    case(
        "an added column",
        "taken",
        with_change(
            change("add-column", locator={"column-name": None}, value="loaded", expression="'x'", data_type=TEXT)
        ),
    ),
    case(
        "an added column without data type",
        "refused",
        with_change(change("add-column", value="loaded", expression="'x'")),
        "error: missing-data-type",
    ),
    case("a changed data type", "taken", with_change(change("change-data-type", data_type=INT8))),
    case(
        "the guide's empty scale",
        "taken",
        with_change(change("change-data-type", data_type={"type": "string", "length": "4092", "scale": ""})),
    ),
    case(
        "a data type without type",
        "refused",
        with_change(change("change-data-type", data_type={"length": 5})),
        "error: missing-data-type",
    ),
    case("no data type", "refused", with_change(change("change-data-type")), "error: missing-data-type"),
    case(
        "a data type of PostgreSQL",
        "refused",
        with_change(change("change-data-type", data_type={"type": "varchar"})),
        "error: unknown-data-type",
    ),
    case(
        "a length that is not a number",
        "refused",
        with_change(change("change-data-type", data_type={"type": "string", "length": "long"})),
        "error: bad-data-type",
    ),
    case(
        "all columns of a data type",
        "taken",
        with_change(change("change-data-type", data_type=INT8, locator={"column-name": "%", "data-type": "numeric"})),
    ),
    case(
        "one column and its data type",
        "taken",
        with_change(change("change-data-type", data_type=INT8, locator={"data-type": "numeric"})),
        "advice: data-type-of-one-column",
    ),
    case(
        "all columns of an unknown data type",
        "refused",
        with_change(change("change-data-type", data_type=INT8, locator={"column-name": "%", "data-type": "number"})),
        "error: unknown-data-type",
    ),
    case(
        "LOBs that become texts",
        "ignored",
        with_change(change("change-data-type", data_type=TEXT, locator={"column-name": "%", "data-type": "clob"})),
        "error: lob-transformation",
    ),
    case(
        "LOBs that are removed",
        "taken",
        with_change(change("remove-column", locator={"column-name": "%", "data-type": "clob"})),
    ),
    case(
        "a column with #",
        "ignored",
        with_change(change("convert-uppercase", locator={"column-name": "order#"})),
        "error: untransformable-column",
    ),
    case(
        "columns of a range of letters",
        "taken",
        with_change(change("convert-uppercase", locator={"column-name": "[a-d]%"})),
    ),
    case(
        "a removed column with -",
        "ignored",
        with_change(change("remove-column", locator={"column-name": "net-amount"})),
        "error: untransformable-column",
    ),
    case(
        "a pattern with \\",
        "ignored",
        with_change(change("rename", value="x", locator={"column-name": "a\\%"})),
        "error: untransformable-column",
    ),
    case(
        "a column in Arabic",
        "ignored",
        with_change(change("convert-uppercase", locator={"column-name": "\u0633\u0639\u0631"})),
        "error: untransformable-column",
    ),
    case(
        "a primary key",
        "taken",
        with_change(change("define-primary-key", "table", primary_key_def=KEY | {"origin": "unique-index"})),
    ),
    case(
        "a primary key of all tables",
        "refused",
        with_change(change("define-primary-key", "table", primary_key_def=KEY, locator={"table-name": "%"})),
        "error: wildcard-in-exact-name",
    ),
    case(
        "a primary key of an escaped name",
        "refused",
        with_change(
            change("define-primary-key", "table", primary_key_def=KEY, locator={"table-name": "order[_]items"})
        ),
        "error: wildcard-in-exact-name",
    ),
    case("no primary key", "refused", with_change(change("define-primary-key", "table")), "error: missing-member"),
    case(
        "a primary key without columns",
        "refused",
        with_change(change("define-primary-key", "table", primary_key_def={"name": "k"})),
        "error: bad-primary-key",
    ),
    case(
        "a primary key of another origin",
        "refused",
        with_change(change("define-primary-key", "table", primary_key_def=KEY | {"origin": "index"})),
        "error: bad-primary-key",
    ),
    case(
        "before images of a column", "taken", with_change(change("add-before-image-columns", before_image_def=BEFORE))
    ),
    case(
        "before images without column name",
        "taken",
        with_change(change("add-before-image-columns", locator={"column-name": None}, before_image_def=BEFORE)),
    ),
    case("before images by default", "taken", with_change(change("add-before-image-columns"))),
    case(
        "before images without name",
        "refused",
        with_change(change("add-before-image-columns", before_image_def={"column-prefix": ""})),
        "error: bad-before-image",
    ),
    case(
        "before images of other columns",
        "refused",
        with_change(change("add-before-image-columns", before_image_def=BEFORE | {"column-filter": "key"})),
        "error: bad-before-image",
    ),
    case(
        "a tablespace of Oracle",
        "taken",
        with_change(change("rename", "table-tablespace", value="b", locator={"table-tablespace-name": "a"})),
        "advice: tablespace-rule",
    ),
    case(
        "a tablespace without name",
        "refused",
        with_change(change("rename", "table-tablespace", value="b")),
        "error: incomplete-object-locator",
        "advice: tablespace-rule",
    ),
    case(
        "two tablespaces",
        "refused",
        with_change(
            change(
                "rename",
                "table-tablespace",
                value="b",
                locator={"table-tablespace-name": "a", "index-tablespace-name": "a"},
            )
        ),
        "error: both-tablespaces",
        "advice: tablespace-rule",
    ),
    case(
        "the exception before the rule",
        "taken",
        with_change(
            change("rename", value="total"), change("convert-uppercase", number="6", locator={"column-name": "%"})
        ),
    ),
    case(
        "the rule before the exception",
        "ignored",
        with_change(
            change("convert-uppercase", number="4", locator={"column-name": "%"}), change("rename", value="total")
        ),
        "error: shadowed-action",
    ),
    case(
        "two rules on one schema",
        "ignored",
        with_change(change("rename", "schema", value="a"), change("convert-uppercase", "schema", "6")),
        "error: shadowed-action",
    ),
    case(
        "one action by two rules",
        "taken",
        with_change(change("remove-column"), change("remove-column", number="6", locator={"column-name": "%t"})),
    ),
    case(
        "two rules that meet",
        "taken",
        with_change(
            change("add-prefix", value="a", locator={"column-name": "a%"}),
            change("convert-uppercase", number="6", locator={"column-name": "%t"}),
        ),
        "advice: conflicting-actions",
    ),
    case(
        "two tables of one name",
        "taken",
        with_change(
            change("rename", "table", value="x"),
            change("rename", "table", "6", value="x", locator={"table-name": "customers"}),
        ),
        "advice: two-tables-into-one",
    ),
    case(
        "all tables of one name",
        "taken",
        with_change(change("rename", "table", value="x", locator={"table-name": "%"})),
        "advice: two-tables-into-one",
    ),
]
