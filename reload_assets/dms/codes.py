"""The codes of findings of the examination of a CDC task, a line each; those of the linters are in ``lint_codes``."""

from __future__ import annotations

from collections.abc import Mapping

TASK_FINDINGS: Mapping[str, str] = {
    "apply-escalation": "`ApplyErrorEscalationPolicy` would stop the task or suspend a table after a number of errors.",
    "apply-policy": "An apply error would suspend a table or stop the task for good.",
    "batch-apply": "`BatchApplyEnabled`: not every skipped change is written down.",
    "character-set": "The task replaces characters, which a reload does not.",
    "column-added": "The task fills a column by an expression; rows that a reload inserts have its default.",
    "column-computed": "The task fills by an expression a column that a reload would load from the source.",
    "column-left-out": "The task does not carry a column that a reload would load.",
    "data-type-changed": "The task gives a column another type.",
    "foreign-keys-enforced": "The target endpoint does not set `session_replication_role` to `replica`.",
    "ignored-records": "What CDC skips is written down nowhere.",
    "lobs-cut": "The task cuts LOBs earlier than a reload.",
    "lobs-left-out": "The task carries no LOBs, so only reloads change them.",
    "mark-stays": "A row that the source inserts again keeps its mark as deleted.",
    "no-mapping": "DMS does not give the task's table mapping.",
    "no-settings": "DMS does not give the task's settings.",
    "not-captured": "The task selects a table and does not count it among its tables.",
    "not-selected": "The task does not select a table.",
    "other-column": "The task carries a column into one of another name.",
    "other-engine": "An endpoint of the task is of an engine that reloads cannot use.",
    "other-target": "The task carries a table into another one than is configured.",
    "other-values": "The task's source endpoint and that of reloads differ in a setting that changes values.",
    "row-filter": "The task carries only some rows of a table.",
    "stop-position": "The task ends by itself at a configured position.",
    "table-state": "DMS has suspended a table, or reports an error of it.",
    "values-masked": "The task masks a column's values.",
}
