"""Documents as people keep them: with a byte order mark, alone or in the answer of DMS that describes a task."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from typing import Any

from reload_assets.dms.findings import Finding
from reload_assets.dms.lint import lint_mapping
from reload_assets.dms.lint_settings import lint_settings
from reload_assets.dms.settings_vocabulary import SETTINGS

# UTF-32 first: its mark begins with that of UTF-16.
_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(content: bytes) -> str:
    """Return the text of a file: UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one.

    Raises UnicodeDecodeError for other content.
    """
    encoding = next((encoding for mark, encoding in _ENCODINGS.items() if content.startswith(mark)), "utf-8-sig")
    return content.decode(encoding)


def lint_document(text: str, *, target_schema: str = "") -> tuple[str, list[Finding]]:
    """Return what a document is, ``mapping``, ``settings``, ``task`` or ``unknown``, and its mistakes.

    A task is the answer of DescribeReplicationTasks, or a task of it; its own TargetSchema is used.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return "unknown", [Finding(None, "invalid-json", f"The document is not JSON: {error}.")]
    if tasks := _tasks(document):
        return "task", [finding for task in tasks for finding in lint_task(task)]
    if isinstance(document, Mapping) and "rules" not in document and set(document) & set(SETTINGS):
        return "settings", lint_settings(document)
    if isinstance(document, list) or (isinstance(document, Mapping) and {"rules", "rule-type"} & set(document)):
        return "mapping", lint_mapping(document, target_schema=target_schema)
    said = (
        'The document is neither a table mapping ({"rules": [...]}), nor task settings, nor a described task; give one '
        "of them."
    )
    return "unknown", [Finding(None, "unknown-document", said)]


def lint_task(task: Mapping[str, Any]) -> list[Finding]:
    """Return the mistakes of a task's mapping and settings, as DMS describes it."""
    mapping, settings = task.get("TableMappings"), task.get("ReplicationTaskSettings")
    findings = [] if mapping is None else lint_mapping(mapping, target_schema=_target_schema(settings))
    return findings + ([] if settings is None else lint_settings(settings, mapping, described=True))


def _tasks(document: Any) -> list[Mapping[str, Any]]:
    """Return the tasks of an answer of DMS that have a mapping or settings; none for another document."""
    if not isinstance(document, Mapping):
        return []
    listed = document.get("ReplicationTasks") or [document.get("ReplicationTask") or document]
    tasks = listed if isinstance(listed, list) else []
    members = {"TableMappings", "ReplicationTaskSettings"}
    return [task for task in tasks if isinstance(task, Mapping) and members & set(task)]


def _target_schema(settings: object) -> str:
    try:
        found = json.loads(settings) if isinstance(settings, str) else settings
    except (ValueError, RecursionError):
        return ""
    metadata = found.get("TargetMetadata") if isinstance(found, Mapping) else None
    return str(metadata.get("TargetSchema") or "") if isinstance(metadata, Mapping) else ""
