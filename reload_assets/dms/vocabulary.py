"""The words of DMS's mapping rules and what each may hold, as the chapters of the AWS DMS user guide give them."""

from __future__ import annotations

from collections.abc import Mapping

RULE_TYPES = ("selection", "transformation", "table-settings", "object-mapping", "post-processing", "validation")
SELECTION_ACTIONS = ("include", "exclude", "explicit")
OBJECT_MAPPING_ACTIONS = ("map-record-to-record", "map-record-to-document")
POST_PROCESSING_ACTIONS = ("add-tag",)
VALIDATION_ACTIONS = ("override-validation-function",)
TABLE_TYPES = ("table", "view", "all")
HIGHEST_LOAD_ORDER = 2**31 - 1

RENAMING_ACTIONS = (
    "rename",
    "convert-lowercase",
    "convert-uppercase",
    "add-prefix",
    "remove-prefix",
    "replace-prefix",
    "add-suffix",
    "remove-suffix",
    "replace-suffix",
)
MASKING_ACTIONS = ("data-masking-digits-mask", "data-masking-digits-randomize", "data-masking-hash-mask")
RULE_TARGETS = ("schema", "table", "column", "table-tablespace", "index-tablespace")
# Action -> the rule-targets that it has.
ACTION_TARGETS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(RENAMING_ACTIONS, RULE_TARGETS),
    "add-column": ("column",),
    "include-column": ("column",),
    "remove-column": ("column",),
    "define-primary-key": ("table",),
    "change-data-type": ("column",),
    "add-before-image-columns": ("column",),
    **dict.fromkeys(MASKING_ACTIONS, ("column",)),
}
TRANSFORMATION_ACTIONS = tuple(ACTION_TARGETS)
# Rules on columns that need not name any.
WITHOUT_COLUMN_NAME = ("add-column", "add-before-image-columns")
# Action -> the members that it needs beside the locator; a rename may give an expression for its value.
NEEDED_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "rename": ("value",),
    "add-prefix": ("value",),
    "remove-prefix": ("value",),
    "replace-prefix": ("value", "old-value"),
    "add-suffix": ("value",),
    "remove-suffix": ("value",),
    "replace-suffix": ("value", "old-value"),
    "add-column": ("value",),
    "data-masking-digits-mask": ("value",),
    "define-primary-key": ("primary-key-def",),
}
DATA_TYPE_ACTIONS = ("add-column", "change-data-type")
DATA_TYPES = (
    *("bytes", "date", "time", "datetime", "int1", "int2", "int4", "int8", "numeric", "real4", "real8", "string"),
    *("uint1", "uint2", "uint4", "uint8", "wstring", "blob", "nclob", "clob", "boolean", "set", "list", "map", "tuple"),
)
LOB_DATA_TYPES = ("blob", "clob", "nclob")
KEY_ORIGINS = ("primary-key", "unique-index")
BEFORE_IMAGE_FILTERS = ("pk-only", "non-lob", "all")
# DMS transforms no column that has one of these in its name; the guide gives them as examples.
SPECIAL_CHARACTERS = "#\\/-"

PARALLEL_LOADS = ("partitions-auto", "subpartitions-auto", "partitions-list", "ranges", "none")
MOST_RANGE_COLUMNS = 10
LOB_MODES = ("limited", "unlimited", "none")
LONGEST_LIMITED_LOB_KB = 102400

# Operator -> the members that a condition with it must have.
OPERATORS: dict[str, tuple[str, ...]] = {
    "eq": ("value",),
    "noteq": ("value",),
    "gte": ("value",),
    "lte": ("value",),
    "ste": ("value",),
    "between": ("start-value", "end-value"),
    "notbetween": ("start-value", "end-value"),
    "null": (),
    "notnull": (),
}
NEGATIVE_OPERATORS = ("noteq", "notbetween", "notnull")

# What people write -> what DMS calls it. For other words, the most similar known word is suggested.
MEANT = {
    "convert-column-type": "change-data-type",
    "convert-data-type": "change-data-type",
    "lower": "convert-lowercase",
    "to-lower": "convert-lowercase",
    "lt": "lte",
    "<": "lte",
    "<=": "lte",
    "le": "lte",
    "gt": "gte",
    ">": "gte",
    ">=": "gte",
    "ge": "gte",
    "=": "eq",
    "ne": "noteq",
    "neq": "noteq",
    "!=": "noteq",
    "is-null": "null",
    "not-null": "notnull",
    "varchar": "string",
    "varchar2": "string",
    "text": "string",
    "int": "int4",
    "integer": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "number": "numeric",
    "decimal": "numeric",
    "timestamp": "datetime",
    "partition-auto": "partitions-auto",
    "full": "unlimited",
}
