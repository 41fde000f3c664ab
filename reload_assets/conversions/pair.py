"""A column of the source with the column of production that it fills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from psycopg import sql

from reload_assets.canonical.oracle_types import SourceColumn
from reload_assets.canonical.postgres import TextRule, own_rule
from reload_assets.conversions.declared import INSTANT, INTEGERS, DeclaredType, parse_type
from reload_assets.conversions.rules import Conversion, convert
from reload_assets.conversions.shared_text import inexact_rule, shared_rule
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
        found = convert(self.source, self._type)
        if not self.target.checked:
            return found
        refused = f"values that the domain {self.target.type} refuses"
        return replace(found, refused=f"{found.refused}, and {refused}" if found.refused else refused)

    @property
    def staged(self) -> Staged | None:
        """How staging takes the values; None where it has production's own type."""
        if not self.target.checked:
            return staged(self.source, self._type, self.conversion, self.zone)
        # Production's type would refuse a value while DMS loads, and with it the whole load.
        unchecked = convert(self.source, self._type)
        inner = staged(self.source, self._type, unchecked, self.zone)
        return (inner or Staged(self.target.base_type, "false", "false", "{0}")).within(self.target.type)

    @property
    def shared_rule(self) -> TextRule | None:
        """The rule by which the content is compared; None where it is not."""
        return shared_rule(self.source, self._type, self.conversion, self.zone)

    @property
    def inexact_rule(self) -> TextRule | None:
        """The rule by which a search for drift compares a column that has no shared one; None where it cannot."""
        return inexact_rule(self.source, self._type, self.conversion)

    @property
    def matching_rule(self) -> TextRule | None:
        """The rule by which rows are matched, also of types that do not arrive exactly; None where there is none."""
        return self.shared_rule or own_rule(self.source)

    def typed(self, text: sql.Composable) -> sql.Composable:
        """Return the canonical text of a value of the source as a value of production's type.

        PostgreSQL refuses a text that does not fit: no cast shortens one.
        """
        is_sized_text = self.source.type.family in ("string", "lob") and not self.declared.is_time
        sizeless = is_sized_text and self.declared.size is not None and self.target.type == self.target.base_type
        declared = sql.SQL(self.declared.base if sizeless else self.target.type)
        if self.source.type.family == "bytes":
            hexadecimal = "decode({}, 'hex')" if self.declared.base == "bytea" else "CAST({} AS {})"
            return sql.SQL(hexadecimal).format(text, declared)
        if self.target.collatable and not self.declared.base.endswith("[]"):
            return self._spelled(text)
        if self.source.type.family in ("number", "float"):
            text = self._number(text)
        if self.declared.base == "money":
            text = sql.SQL("CAST({} AS numeric)").format(text)
        if self.source.type.family == "time" and self.declared.base == INSTANT:
            wall_clock = sql.SQL("CAST({} AS timestamp)").format(text)
            text = sql.SQL("({} AT TIME ZONE {})").format(wall_clock, sql.Literal(self.zone))
        return sql.SQL("CAST({} AS {})").format(text, declared)

    @property
    def _type(self) -> str:
        # An enum's own name says no more.
        return self.target.type if self.target.base_type == "enum" else self.target.base_type

    def _spelled(self, text: sql.Composable) -> sql.Composable:
        """Return a text for a text column: of a time as PostgreSQL writes it, which is how DMS delivers one."""
        if self.source.type.family != "time":
            return text
        return sql.SQL("CAST(CAST({} AS timestamp) AS text)").format(text)

    def _number(self, text: sql.Composable) -> sql.Composable:
        if self.source.kind == "bare":
            # As DMS rounds it; as text, so that an integer refuses what is left of a fraction.
            rounded = sql.SQL("trim_scale(round(CAST({} AS numeric), {}))").format(
                text, sql.Literal(self.source.decimals)
            )
            text = sql.SQL("CAST({} AS text)").format(rounded)
        if "decimals" in self.conversion.lost and self.declared.base in INTEGERS:
            # As text, so that what is not a number is refused as any text is.
            return sql.SQL("CAST(round(CAST({} AS numeric)) AS text)").format(text)
        return text
