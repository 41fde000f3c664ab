"""The pieces of a confirm's statements, under their names in ``sql/confirm``. ``sql/README.md`` shows each.

A predicate is named by the aliases that it joins: ``p_is_k`` is true if a row of production has the key ``k``.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import Composable


@dataclass(frozen=True, kw_only=True)
class ConfirmPieces:
    """The names and pieces that every statement about one table may use."""

    # Tables and columns
    schema: str
    table: str
    production_window_column: str
    staging_schema: str
    staging_table: str
    keys: str
    source_rows: str
    again: str
    delta: str

    # Lists of columns
    columns: Composable
    key: Composable
    key_types: Composable
    key_numbers: Composable
    s_without_domains: Composable
    s_numbered: Composable
    s_key_numbered: Composable
    p_key: Composable
    p_key_numbered: Composable
    p_key_json: Composable
    d_key: Composable
    k_key: Composable
    k_canonical_key: Composable
    k_key_texts: Composable
    k_key_json: Composable
    r_values: Composable
    r_assignments: Composable
    patch_assignments: Composable

    # Which row is which
    p_is_s: Composable
    p_is_d: Composable
    p_is_k: Composable
    d_is_k: Composable
    r_is_k: Composable
    a_is_k: Composable
    i_is_k: Composable
    written_is_k: Composable

    # What the reload selects
    s_is_selected: Composable
    p_is_selected: Composable
    selected_keys: Composable
    p_is_listed: Composable

    # Conditions on one row
    p_has_key: Composable
    p_is_alive: Composable
    p_is_in_window: Composable
    p_is_own: Composable
    p_is_left_alone: Composable
    p_is_patched: Composable
    p_differs_from_r: Composable
    n_is_alive: Composable
    n_differs_from_r: Composable
    n_differs_from_b: Composable

    # How a key is judged
    judgement: Composable
    verdict_without_source: Composable
    verdict_without_production: Composable
    verdict_if_unfit: Composable

    # Lists of verdicts
    corrected: Composable
    finished: Composable
    gone: Composable
    locked: Composable
    written: Composable


@dataclass(frozen=True, kw_only=True)
class WantedPieces:
    """Which keys are read from the source (``2_pass:list_keys``)."""

    wanted: str
    k_is_wanted: Composable


@dataclass(frozen=True, kw_only=True)
class TextPieces:
    """How texts of the source become rows (``2_pass``)."""

    source_rows: str
    texts: str
    text_columns: Composable
    key_numbers: Composable
    t_typed: Composable
    t_key_typed: Composable
    t_is_chosen: Composable


@dataclass(frozen=True, kw_only=True)
class ControlPieces:
    """The control of keys that count as gone (``3_gone``)."""

    control: str
    k_shape: Composable
    s_shape: Composable
    p_shape: Composable
    p_key_descending: Composable
    p_is_o: Composable
    s_key_text: Composable
    a_key_texts: Composable
    k_is_s: Composable
    k_is_like_a: Composable
    p_is_a: Composable


@dataclass(frozen=True, kw_only=True)
class OlderPieces:
    """The rows that the source connection shows older than before (``5_source_is_current``)."""

    older: str
    latest: str
    numbered_window_column: str
    l_is_k: Composable
    u_is_k: Composable
    d_is_newer_than_r: Composable
    p_is_newer_than_r: Composable
    p_is_newer_than_d: Composable
    a_is_newer_than_l: Composable


@dataclass(frozen=True, kw_only=True)
class NamedPieces:
    """A key that a skipped statement names (``1_keys:find_named``)."""

    k_is_named: Composable
    s_is_named: Composable


@dataclass(frozen=True, kw_only=True)
class NamedKey:
    """The same key as values (``1_keys:collect_named``)."""

    named_key: Composable


@dataclass(frozen=True, kw_only=True)
class NamedOutside:
    """A key that a skipped statement names in a table outside the reload (``1_keys:find_row``)."""

    schema: str
    table: str
    p_is_named: Composable


@dataclass(frozen=True, kw_only=True)
class FollowedPieces:
    """Which rows other rows would follow (``6_correct:refuse_followed``)."""

    r_changes_p: Composable
    c_stays: Composable


@dataclass(frozen=True, kw_only=True)
class HolderPieces:
    """A unique index of any kind: ``h`` is a row of production that holds a value of ``r`` in it."""

    r_indexed: Composable
    p_holds_value_of_w: Composable
    p_can_let_go: Composable
    h_is_k: Composable
    h_is_o: Composable
    h_key: Composable
    h_key_texts: Composable


@dataclass(frozen=True, kw_only=True)
class MarkPieces:
    """The column that marks a row as deleted, and the mark (``6_correct:soft_delete_rows``)."""

    mark_column: str
    mark: Composable


@dataclass(frozen=True, kw_only=True)
class DifferencePieces:
    """The keys that a comparison found (``8_compare``)."""

    f_key: Composable
    f_key_typed: Composable
    f_is_chosen: Composable


@dataclass(frozen=True, kw_only=True)
class RangePieces:
    """The column by whose range rows are compared (``8_compare:collect_rewritten``)."""

    range_column: str


@dataclass(frozen=True, kw_only=True)
class CarriedPieces:
    """Which rows of production were compared (``8_compare:collect_carried``)."""

    p_is_compared: Composable
