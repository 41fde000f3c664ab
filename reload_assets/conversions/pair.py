"""A column of the source with the column of production that it fills."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from psycopg import sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule, own_rule
from reload_assets.conversions.declared import INSTANT, INTEGERS, DeclaredType, parse_type
from reload_assets.conversions.rules import Conversion, convert
from reload_assets.conversions.shared_text import shared_rule
from reload_assets.conversions.staged import Staged, staged
from reload_assets.postgres.catalog import Column


@dataclass(frozen=True)
class Pair:
    """Two columns, and all that follows from their types. ``zone`` is that of the source's times."""

    source: SourceColumn
    target: Column
    zone: str

    @property
    def declared(self) -> DeclaredType:
        """Production's type, or the one that its domain restricts, taken apart."""
        return parse_type(self.target.base_type)

    @cached_property
    def conversion(self) -> Conversion:
        """What becomes of the source's values."""
        return convert(self.source, self._type)

    @property
    def staged(self) -> Staged | None:
        """How staging takes the values; None where it has production's own type."""
        return staged(self.source, self._type, self.conversion, self.zone)

    @property
    def shared_rule(self) -> TextRule | None:
        """The rule by which the content is compared; None where it is not."""
        return shared_rule(self.source, self._type, self.conversion, self.zone)

    @property
    def matching_rule(self) -> TextRule | None:
        """The rule by which rows are matched, also of types that do not arrive exactly; None where there is none."""
        return self.shared_rule or own_rule(self.source)

    def typed(self, text: sql.Composable) -> sql.Composable:
        """Return the canonical text of a value of the source as a value of production's type.

        PostgreSQL refuses a text that does not fit: no cast shortens one.
        """
        declared = sql.SQL(self.target.type)
        if self.source.type.family == "bytes":
            hexadecimal = "decode({}, 'hex')" if self.declared.base == "bytea" else "CAST({} AS {})"
            return sql.SQL(hexadecimal).format(text, declared)
        if self.target.collatable:
            return text
        if self.source.type.family == "number":
            return sql.SQL("CAST({} AS {})").format(self._number(text), declared)
        if self.source.type.family == "time" and self.declared.base == INSTANT:
            wall_clock = sql.SQL("CAST({} AS timestamp)").format(text)
            text = sql.SQL("({} AT TIME ZONE {})").format(wall_clock, sql.Literal(self.zone))
        return sql.SQL("CAST({} AS {})").format(text, declared)

    @property
    def _type(self) -> str:
        # An enum's own name says no more.
        return self.target.type if self.target.base_type == "enum" else self.target.base_type

    def _number(self, text: sql.Composable) -> sql.Composable:
        if self.source.kind == "bare":
            # As DMS rounds it; as text, so that an integer refuses what is left of a fraction.
            rounded = sql.SQL("trim_scale(round(CAST({} AS numeric), {}))").format(
                text, sql.Literal(self.source.decimals)
            )
            text = sql.SQL("CAST({} AS text)").format(rounded)
        if self.conversion.lost == "decimals" and self.declared.base in INTEGERS:
            return sql.SQL("round(CAST({} AS numeric))").format(text)
        return text
