"""Data masking: digits replaced, digits replaced at random, or the whole value hashed, in a load and in replication."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from psycopg import sql

from reload_assets.local.dms.rules import TransformationRule

_RANDOMIZED = """(
    SELECT string_agg(CASE WHEN c ~ '[0-9]' THEN floor(random() * 10)::integer::text ELSE c END, '' ORDER BY n)
    FROM regexp_split_to_table(({})::text, '') WITH ORDINALITY AS characters (c, n)
)"""


@dataclass(frozen=True)
class Mask:
    """What a data-masking rule makes of a column's values; ``character`` takes the place of digits."""

    action: str
    character: str

    @classmethod
    def of(cls, rule: TransformationRule) -> Mask:
        return cls(rule.action, rule.value)

    def fits(self, data_type: str) -> bool:
        """Return whether the service masks columns of this data type of its own."""
        is_number = data_type in ("numeric", "int1", "int2", "int4", "int8", "uint1", "uint2", "uint4", "uint8")
        return data_type in ("string", "wstring") or (is_number and self.action == "data-masking-digits-randomize")

    def expression(self, value: sql.Composable) -> sql.Composable:
        """Return the SQL expression of the masked value."""
        if self.action == "data-masking-digits-mask":
            return sql.SQL("regexp_replace(({})::text, '[0-9]', {}, 'g')").format(
                value, sql.Literal(_in_replacement(self.character))
            )
        if self.action == "data-masking-digits-randomize":
            return sql.SQL(_RANDOMIZED).format(value)
        return sql.SQL("upper(encode(sha256(convert_to(({})::text, 'UTF8')), 'hex'))").format(value)

    def masked(self, text: str) -> str:
        """Return the masked value of the log."""
        if self.action == "data-masking-digits-mask":
            return re.sub("[0-9]", lambda found: self.character, text)
        if self.action == "data-masking-digits-randomize":
            return re.sub("[0-9]", lambda found: str(secrets.randbelow(10)), text)
        return hashlib.sha256(text.encode()).hexdigest().upper()


def _in_replacement(character: str) -> str:
    return "\\\\" if character == "\\" else character
