"""The documents that the linter and the DMS stand-in are judged by, a file per chapter of the AWS DMS user guide."""

from __future__ import annotations

from reload_assets_tests.unit.lint_documents import (
    filters,
    frames,
    masking,
    others,
    selections,
    settings,
    tables,
    transformations,
)
from reload_assets_tests.unit.lint_documents.builders import Case

__all__ = ["DOCUMENTS", "Case"]

DOCUMENTS: list[Case] = [
    *frames.DOCUMENTS,
    *selections.DOCUMENTS,
    *filters.DOCUMENTS,
    *transformations.DOCUMENTS,
    *masking.DOCUMENTS,
    *tables.DOCUMENTS,
    *others.DOCUMENTS,
    *settings.DOCUMENTS,
]
