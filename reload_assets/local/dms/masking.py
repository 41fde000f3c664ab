"""Data masking: digits replaced, digits replaced at random, or the whole value hashed, in a load and in replication."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from psycopg import sql

from reload_assets.local.dms.rules import TransformationRule

_TEXTS = ("CHAR", "NCHAR", "VARCHAR", "VARCHAR2", "NVARCHAR2")
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

    def fits(self, oracle_name: str, pg_type: str) -> bool:
        """Return whether the service masks columns of this type: texts, and numbers by random digits."""
        is_text = oracle_name in _TEXTS or (not oracle_name and pg_type.startswith("character"))
        is_number = oracle_name == "NUMBER" or (
            not oracle_name and pg_type.startswith(("numeric", "integer", "bigint"))
        )
        return is_text or (is_number and self.action == "data-masking-digits-randomize")

    def expression(self, value: sql.Composable) -> sql.Composable:
        """Return the SQL expression of the masked value."""
        if self.action == "data-masking-digits-mask":
            return sql.SQL("regexp_replace({}, '[0-9]', {}, 'g')").format(
                value, sql.Literal(_in_replacement(self.character))
            )
        if self.action == "data-masking-digits-randomize":
            return sql.SQL(_RANDOMIZED).format(value)
        return sql.SQL("upper(encode(sha256(convert_to({}, 'UTF8')), 'hex'))").format(value)

    def masked(self, text: str) -> str:
        """Return the masked value of the log."""
        if self.action == "data-masking-digits-mask":
            return re.sub("[0-9]", lambda found: self.character, text)
        if self.action == "data-masking-digits-randomize":
            return re.sub("[0-9]", lambda found: str(secrets.randbelow(10)), text)
        return hashlib.sha256(text.encode()).hexdigest().upper()


def _in_replacement(character: str) -> str:
    return "\\\\" if character == "\\" else character
