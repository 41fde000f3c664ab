"""The codes of the linters' findings: how grave each is, when it is found, and which chapter of the guide says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ERROR = "error"
"""AWS refuses the document, or a rule, a filter or a setting of it has no effect."""
ADVICE = "advice"
"""AWS takes the document and does what it says, which a reload would not."""

_GUIDE = "https://docs.aws.amazon.com/dms/latest/userguide/"
_MAPPING = "CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation"
_SETTINGS = "CHAP_Tasks.CustomizingTasks.TaskSettings"

SELECTION = "Selection rules and actions"
TRANSFORMATION = "Transformation rules and actions"
TABLE_SETTINGS = "Table and collection settings rules and operations"
FILTERS = "Using source filters"
WILDCARDS = "Wildcards in table mapping"
MASKING = "Using data masking to hide sensitive information"
VALIDATION = "AWS DMS data validation"
TABLE_MAPPING = "Using table mapping to specify task settings"
TASK_SETTINGS = "Specifying task settings for AWS Database Migration Service tasks"
TARGET_METADATA = "Target metadata task settings"
FULL_LOAD = "Full-load task settings"
ERROR_HANDLING = "Error handling task settings"
VALIDATION_SETTINGS = "Data validation task settings"
API = "DMS's answers"
RELOADS = "how reloads work"

CHAPTERS: Mapping[str, str] = {
    SELECTION: f"{_GUIDE}{_MAPPING}.Selections.html",
    TRANSFORMATION: f"{_GUIDE}{_MAPPING}.Transformations.html",
    TABLE_SETTINGS: f"{_GUIDE}{_MAPPING}.Tablesettings.html",
    FILTERS: f"{_GUIDE}CHAP_Tasks.CustomizingTasks.Filters.html",
    WILDCARDS: f"{_GUIDE}{_MAPPING}.Wildcards.html",
    MASKING: f"{_GUIDE}{_MAPPING}.Masking.html",
    VALIDATION: f"{_GUIDE}CHAP_Validating.html",
    TABLE_MAPPING: f"{_GUIDE}CHAP_Tasks.CustomizingTasks.TableMapping.html",
    TASK_SETTINGS: f"{_GUIDE}{_SETTINGS}.html",
    TARGET_METADATA: f"{_GUIDE}{_SETTINGS}.TargetMetadata.html",
    FULL_LOAD: f"{_GUIDE}{_SETTINGS}.FullLoad.html",
    ERROR_HANDLING: f"{_GUIDE}{_SETTINGS}.ErrorHandling.html",
    VALIDATION_SETTINGS: f"{_GUIDE}{_SETTINGS}.DataValidation.html",
}
"""The chapters of the AWS DMS user guide, with their addresses."""


@dataclass(frozen=True)
class LintCode:
    """What a code stands for. ``source`` is a chapter of the guide, or what else says so."""

    severity: str
    when: str
    source: str


LINT_FINDINGS: Mapping[str, LintCode] = {
    "bad-before-image": LintCode(
        ERROR,
        "A `before-image-def` has neither prefix nor suffix, or an unknown `column-filter`.",
        TRANSFORMATION,
    ),
    "bad-boundaries": LintCode(
        ERROR,
        "`ranges` lack columns or boundaries, have more than 10 columns, or a boundary has not one value per column.",
        TABLE_SETTINGS,
    ),
    "bad-data-type": LintCode(
        ERROR, "The precision, scale or length of a `data-type` is not a whole number.", TRANSFORMATION
    ),
    "bad-load-order": LintCode(ERROR, "A `load-order` is not a whole number from 1 to 2147483647.", SELECTION),
    "bad-lob-size": LintCode(
        ERROR,
        "A table's `bulk-max-size` is not a whole number, or is 0 or above 102400 KB in mode `limited`.",
        TABLE_SETTINGS,
    ),
    "bad-masking-character": LintCode(
        ERROR, "`data-masking-digits-mask` has no `value` of one printable ASCII character.", MASKING
    ),
    "bad-primary-key": LintCode(
        ERROR, "A `primary-key-def` lacks name or columns, or has an unknown `origin`.", TRANSFORMATION
    ),
    "bare-rule": LintCode(ERROR, 'The document is a rule, or a list of rules, without `{"rules": [...]}`.', API),
    "both-lob-modes": LintCode(ERROR, "`FullLobMode` and `LimitedSizeLobMode` are both on.", TARGET_METADATA),
    "both-tablespaces": LintCode(ERROR, "One rule names a table tablespace and an index tablespace.", TRANSFORMATION),
    "cloudwatch-on-create": LintCode(ERROR, "A setting of the log is given that can only be read.", API),
    "combined-lob-mode": LintCode(
        ADVICE,
        "A table has mode `unlimited` with a `bulk-max-size`, which works with Db2 and SAP ASE only.",
        TABLE_SETTINGS,
    ),
    "commit-rate-too-high": LintCode(ERROR, "`CommitRate` is outside of DMS's limits.", FULL_LOAD),
    "conflicting-actions": LintCode(
        ADVICE, "Two rules meet on some objects, where DMS applies only the one of the lower rule-id.", TRANSFORMATION
    ),
    "data-type-of-one-column": LintCode(
        ADVICE, "A rule on one column names the existing data type too.", TRANSFORMATION
    ),
    "duplicate-rule-id": LintCode(ERROR, "Several rules have one rule-id.", API),
    "duplicate-rule-name": LintCode(ADVICE, "Several rules have one name.", SELECTION),
    "empty-table-settings": LintCode(
        ERROR, "A table-settings rule has neither `parallel-load` nor `lob-settings`.", TABLE_SETTINGS
    ),
    "end-loses-fractions": LintCode(
        ADVICE, "A filter ends at 23:59:59 and loses the fractions of the last second.", RELOADS
    ),
    "filter-without-include": LintCode(ERROR, "A filter stands in a rule that does not include tables.", FILTERS),
    "incomplete-object-locator": LintCode(ERROR, "An object-locator lacks a name that its rule needs.", TRANSFORMATION),
    "invalid-json": LintCode(ERROR, "The document is not JSON, or not an object.", API),
    "lenient-error-policy": LintCode(
        ADVICE, "An error policy would let a load end well without its rows.", ERROR_HANDLING
    ),
    "lob-limit-too-high": LintCode(ERROR, "`LobMaxSize` or `InlineLobMaxSize` is above 102400 KB.", TARGET_METADATA),
    "lob-transformation": LintCode(ERROR, "A rule changes a LOB column otherwise than by removing it.", TRANSFORMATION),
    "lobs-not-supported": LintCode(ADVICE, "`SupportLobs` is off.", RELOADS),
    "lowercase-filter-column": LintCode(
        ADVICE, "A filter names a column in lower case, of a table in upper case.", FILTERS
    ),
    "malformed-filter": LintCode(ERROR, "A filter lacks `filter-type` source, a column or conditions.", FILTERS),
    "malformed-member": LintCode(ERROR, "A member of a rule is of the wrong kind, such as a text for a list.", API),
    "malformed-settings-group": LintCode(ERROR, "A group of settings is not an object.", TASK_SETTINGS),
    "masking-before-data-type": LintCode(
        ADVICE, "A column is masked by a lower rule-id than the one that changes its type.", MASKING
    ),
    "missing-case-rule": LintCode(
        ADVICE, "No rule sets the case of a schema, table or column: Oracle's uppercase names would stay.", RELOADS
    ),
    "missing-data-type": LintCode(
        ERROR, "A rule that needs a `data-type` has none, or one without type.", TRANSFORMATION
    ),
    "missing-member": LintCode(ERROR, "A transformation lacks its `value`, `old-value` or definition.", TRANSFORMATION),
    "missing-object-locator": LintCode(ERROR, "A rule does not say what it is about.", API),
    "missing-rule-id": LintCode(ERROR, "A rule has no rule-id.", SELECTION),
    "missing-rule-name": LintCode(ADVICE, "A rule has no rule-name.", SELECTION),
    "missing-validation-function": LintCode(
        ERROR, "A validation rule has neither `source-function` nor `target-function`.", VALIDATION
    ),
    "missing-value": LintCode(ERROR, "A filter's operator lacks a value.", FILTERS),
    "negative-in-company": LintCode(ERROR, "A negative condition is not the only one of its filter.", FILTERS),
    "no-lob-mode": LintCode(ERROR, "`SupportLobs` is on and every LOB mode is off.", TARGET_METADATA),
    "no-rules": LintCode(ERROR, "The table mapping has no rules.", API),
    "no-selection": LintCode(ERROR, "No rule selects a table.", SELECTION),
    "no-tables-is-success": LintCode(ADVICE, "A task that finds no table would end well.", ERROR_HANDLING),
    "non-numeric-rule-id": LintCode(ERROR, "A rule-id is not a whole number.", SELECTION),
    "or-ed-conditions": LintCode(
        ERROR, "The conditions of a filter, which DMS joins with OR, select every row together.", FILTERS
    ),
    "other-target-rule": LintCode(
        ADVICE, "A rule works with targets such as streams or files only, and not with PostgreSQL.", RELOADS
    ),
    "prep-mode": LintCode(ADVICE, "`TargetTablePrepMode` is not `DO_NOTHING`.", FULL_LOAD),
    "ranges-lose-nulls": LintCode(
        ADVICE, "`ranges` leave out rows that are NULL in one of the columns.", TABLE_SETTINGS
    ),
    "setting-out-of-range": LintCode(ERROR, "A setting is not a whole number within DMS's limits.", TASK_SETTINGS),
    "several-filters-on-column": LintCode(
        ADVICE, "Several filters on one column were seen to load every row.", RELOADS
    ),
    "shadowed-action": LintCode(
        ERROR, "A rule is never applied: one of a lower rule-id acts on all of its objects.", TRANSFORMATION
    ),
    "tablespace-rule": LintCode(
        ADVICE, "A rule changes a tablespace, which only an Oracle target has.", TRANSFORMATION
    ),
    "target-schema-with-schema-rule": LintCode(
        ADVICE, "`TargetSchema` and a rule both name the target schema.", RELOADS
    ),
    "too-many-sub-tasks": LintCode(ERROR, "`MaxFullLoadSubTasks` is outside of DMS's limits.", FULL_LOAD),
    "two-tables-into-one": LintCode(ADVICE, "Two source tables get one name on the target.", TRANSFORMATION),
    "underscore-wildcard": LintCode(ADVICE, "The `_` of a name matches any character.", WILDCARDS),
    "undocumented-date-literal": LintCode(ADVICE, "A date of a filter is not in DMS's form.", FILTERS),
    "unknown-action": LintCode(ERROR, "DMS does not know a rule-action.", TRANSFORMATION),
    "unknown-data-type": LintCode(ERROR, "DMS does not know a data type.", TRANSFORMATION),
    "unknown-document": LintCode(ERROR, "The document is neither a mapping, nor settings, nor a described task.", API),
    "unknown-lob-mode": LintCode(ERROR, "DMS does not know the mode of a table's `lob-settings`.", TABLE_SETTINGS),
    "unknown-member": LintCode(ADVICE, "DMS does not know a member of a rule, and ignores it.", TABLE_MAPPING),
    "unknown-operator": LintCode(ERROR, "DMS does not know a filter-operator.", FILTERS),
    "unknown-parallel-load": LintCode(ERROR, "DMS does not know the type of a `parallel-load`.", TABLE_SETTINGS),
    "unknown-rule-target": LintCode(ERROR, "DMS does not know a rule-target.", TRANSFORMATION),
    "unknown-rule-type": LintCode(ERROR, "DMS does not know a rule-type.", API),
    "unknown-setting": LintCode(ERROR, "DMS does not know a setting, and ignores it.", TASK_SETTINGS),
    "unknown-setting-value": LintCode(ERROR, "A setting has a word that DMS does not know.", TASK_SETTINGS),
    "unknown-settings-group": LintCode(ERROR, "DMS does not know a group of settings.", TASK_SETTINGS),
    "unknown-table-type": LintCode(ERROR, "DMS does not know a `table-type`.", SELECTION),
    "unordered-boundaries": LintCode(ADVICE, "The boundaries of `ranges` do not ascend.", TABLE_SETTINGS),
    "untransformable-column": LintCode(
        ERROR,
        "A rule is for a column that DMS does not transform, such as one with `#`, `\\`, `/` or `-` in its name.",
        TRANSFORMATION,
    ),
    "validation-enabled": LintCode(ADVICE, "DMS's validation is on, whose leftovers can kill a load.", RELOADS),
    "validation-only": LintCode(
        ERROR, "`ValidationOnly` is on without `EnableValidation`, or with a prep mode.", VALIDATION_SETTINGS
    ),
    "wildcard-in-exact-name": LintCode(
        ERROR, "A name has a wildcard where table-settings, explicit or define-primary-key want it exact.", WILDCARDS
    ),
    "wildcard-in-filtered-selection": LintCode(ERROR, "A filtered selection names a table by a wildcard.", FILTERS),
    "wrong-rule-target": LintCode(
        ERROR, "A rule-action is used on a rule-target that it does not have.", TRANSFORMATION
    ),
}
