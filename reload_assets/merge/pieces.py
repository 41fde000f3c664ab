"""The names and pieces of SQL from which the statements in ``sql/merge`` are composed for one table.

A piece is named by the aliases that it joins: ``p_is_d`` is true if production's row ``p`` has the key of the row
``d`` of the delta. ``sql/README.md`` lists the aliases and shows each piece for an example table. A statement that
names a piece it is not given raises KeyError.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import Composable


@dataclass(frozen=True)
class MergePieces:
    """The names and pieces of one table. ``u`` is a staged row under the names of production."""

    schema: str
    table: str
    staging_schema: str
    staging_table: str
    delta: str
    late: str
    givers: str
    reread: str
    columns: Composable
    """The columns of production that are staged, in the order of staging."""
    key: Composable
    s_is_selected: Composable
    """Whether the reload selects a staged row: by its window, or by its keys."""
    s_in_range: Composable
    """Whether a staged row belongs to the chunk that is merged."""
    s_key: Composable
    s_key_texts: Composable
    s_numbered: Composable
    s_without_domains: Composable
    """``s_numbered`` with plain types instead of domains, since a domain may not allow NULL."""
    s_named: Composable
    d_values: Composable
    d_key: Composable
    d_key_texts: Composable
    d_canonical_key: Composable
    """The key as canonical text, as the source is asked for it."""
    d_key_json: Composable
    d_changes_parent: Composable
    u_key_texts: Composable
    p_key_json: Composable
    p_key_numbered: Composable
    p_is_d: Composable
    p_is_s: Composable
    p_is_there: Composable
    """Whether the outer join has found a row of production."""
    p_is_own: Composable
    """Whether this very transaction has written the row."""
    p_is_not_newer: Composable
    o_is_d: Composable
    t_is_d: Composable
    w_is_d: Composable
    r_is_d: Composable
    r_differs_from_d: Composable
    judgement: Composable
    outcome_without_production: Composable
    """The outcome of a staged row whose key production has."""
    assignments: Composable


@dataclass(frozen=True)
class MovingPieces:
    """The pieces about one unique index of any kind: ``p`` has a value that ``d`` gives up and ``t`` takes over."""

    p_unique_values: Composable
    d_gives_up: Composable
    t_takes_over: Composable


@dataclass(frozen=True)
class UniquePieces:
    """The pieces about one unique key: a row of production, or another one of the delta, has the values of ``d``."""

    d_unique_columns: Composable
    d_unique_is_known: Composable
    """Whether the key's values can equal those of another row. By default a NULL equals nothing."""
    p_has_value_of_d: Composable


@dataclass(frozen=True)
class HolderPieces:
    """The pieces about one unique index of any kind: ``h`` is a row of production that holds a value of ``d``."""

    d_indexed: Composable
    """A sub-select of the values of ``d`` in the index, and of ``is_indexed``: whether the index has the row."""
    p_holds_value_of_w: Composable
    p_can_let_go: Composable
    """Whether removing the row, as the policy for orphans says, frees its value."""
    p_is_unmarked: Composable
    holder_window_column: str
    """The window column's name in production."""
    h_is_d: Composable
    h_is_t: Composable
    h_is_s: Composable
    h_key_texts: Composable


@dataclass(frozen=True)
class OwnParentPieces:
    """The pieces about a foreign key that refers to its own table: ``t`` and ``d`` are rows of the delta."""

    t_is_parent_of_d: Composable


@dataclass(frozen=True)
class ParkedPieces:
    """The column of a unique key that is NULL while its values move."""

    parked_column: str


@dataclass(frozen=True)
class RecreatedPieces:
    """All columns of rows that are deleted (``x``) and inserted again."""

    deleted_values: Composable
    all_columns: Composable
    all_values: Composable


@dataclass(frozen=True)
class ParentPieces:
    """The names and pieces about one foreign key: ``q`` is a parent, and ``m`` a row whose parent is missing."""

    parent_schema: str
    parent_table: str
    parent_staging_schema: str
    parent_staging_table: str
    s_references: Composable
    s_has_references: Composable
    d_has_references: Composable
    q_is_selected: Composable
    q_is_parent_of_s: Composable
    q_is_parent_of_d: Composable
    q_is_staged_parent_of_d: Composable
    q_is_parent_of_m: Composable
    m_reference_texts: Composable
    d_reference_texts: Composable


@dataclass(frozen=True)
class ChildPieces:
    """The table whose foreign key refers to this one, and when its row ``c`` refers to the row ``p``."""

    child: Composable
    c_refers_to_p: Composable


@dataclass(frozen=True)
class ChangePieces:
    """Whether an update changes what other rows refer to."""

    p_changes: Composable


@dataclass(frozen=True)
class SequencePieces:
    """A sequence, as the catalog spells it, and the staged column of the key that it numbers."""

    sequence_relation: Composable
    sequence_column: str


@dataclass(frozen=True)
class NullPieces:
    """The staged column that must not be NULL."""

    null_column: str


@dataclass(frozen=True)
class CheckPieces:
    """The condition of a check constraint."""

    check_condition: Composable
