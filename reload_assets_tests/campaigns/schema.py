"""The tables of a campaign, its two neighbouring windows, and rows as Python values.

Rows hold numbers for keys, whatever type a run gives them: only what is read from a database, or written into one, has
the type's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from reload_assets.local.oracle import OracleColumn, OracleForeignKey, OracleTable
from reload_assets.windows import Window
from reload_assets_tests.campaigns.keys import PLAIN, KeyKind

SOURCE_SCHEMA = "SALES"
GROUP = "sales"
KEYS = 60
"""Keys of each table; a key is a number from 1 to this."""
MARK = "gone"
"""Production's own column that marks a row as deleted, where a run has one."""

Key = tuple[int, ...]
Row = Mapping[str, Any]
"""Values by production's column names."""
Tables = dict[str, dict[Key, Row]]
"""Rows by table and key: the state of one side."""
Place = tuple[str, Key]
"""A table's name and a key."""


@dataclass(frozen=True)
class TableSpec:
    """One table: its Oracle side, and which columns are what (by production's names)."""

    oracle: OracleTable
    production: str
    """What stands between the parentheses of CREATE TABLE in production."""
    window: str
    version: str
    content: tuple[str, ...]
    """Columns that carry nothing but content."""
    kinds: Mapping[str, KeyKind]
    """The types of the columns that hold keys."""
    unique: str | None = None
    """A column whose values are unique."""
    parent: str | None = None
    """The table that the column of the parent's key refers to."""
    indexes: tuple[str, ...] = ()
    """Statements that run after CREATE TABLE."""
    partitions: int = 0
    """Into how many partitions, by the hash of the first key column, production is divided."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Of ``reload.yaml``."""

    @property
    def name(self) -> str:
        """The table's name in production."""
        return self.oracle.name.lower()

    @property
    def columns(self) -> tuple[str, ...]:
        """Production's columns, in the source's order."""
        return tuple(column.lower() for column in self.oracle.column_names)

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns."""
        return tuple(column.lower() for column in self.oracle.primary_key)

    def key_of(self, row: Row) -> Key:
        """A row's key."""
        return tuple(row[column] for column in self.key)

    def stored(self, column: str, value: Any) -> Any:
        """What a database holds for a value of a row here."""
        kind = self.kinds.get(column)
        return value if kind is None or value is None else kind.value(value)

    def read(self, column: str, value: Any) -> Any:
        """What a row here holds for a value of a database, or of JSON."""
        kind = self.kinds.get(column)
        return value if kind is None or value is None else kind.number(value)

    def written(self, key: Key) -> tuple[str, ...]:
        """The key as a list of keys has it."""
        return tuple(self.kinds[column].written(number) for column, number in zip(self.key, key, strict=True))

    def key_in(self, image: Row) -> Key:
        """The key of a row as JSON, or a database, has it."""
        return tuple(self.read(column, image[column]) for column in self.key)


@dataclass(frozen=True)
class World:
    """What a run is made in. The defaults are the plain world: CDC carries most, and no policy leaves a row alone."""

    key_kind: KeyKind = PLAIN
    all_columns: bool = True
    """Supplemental logging of the source: of all columns, or of the primary key."""
    lob: Literal["", "CLOB", "LONG"] = ""
    """The type of the content of documents, if it is a LOB. A LONG is read by DMS alone."""
    foreign_keys: bool = False
    """Whether production's foreign keys hold for CDC, too."""
    on_delete: str = "NO ACTION"
    """What production's foreign key does to the orders of a customer that is deleted."""
    unique: str = "constraint"
    """What keeps production's logins unique: a constraint, a partial or an expression index, or an exclusion."""
    meeting: bool = False
    """Whether logins that the damage has altered are ones that the source uses."""
    partitions: int = 0
    """Partitions of documents in production; 0 where it is one table."""
    orphans: str = "delete"
    equal_version: str = "repair"
    null_version: str = "repair"
    returns: bool = False
    """Whether orders that have left the windows come back."""
    dies: bool = False
    """Whether a reload dies between its merge and its confirm, and the next takes it up."""
    restarts: bool = False
    """Whether CDC is stopped and goes on from its checkpoint."""
    batch: bool = False
    """Whether CDC applies changes in batches (BatchApplyEnabled)."""
    checked: bool = False
    """Whether loads go through the real checks of staging."""
    keys: Literal["none", "instead", "beside"] = "none"
    """Whether lists of keys are reloaded: instead of the windows, or beside them at the same time."""

    def __str__(self) -> str:
        plain = World()
        parts = [
            f"{name} {value.name if isinstance(value, KeyKind) else value}"
            for name, value in vars(self).items()
            if value != getattr(plain, name)
        ]
        return ", ".join(parts) or "plain"

    @property
    def specs(self) -> dict[str, TableSpec]:
        """The tables by name, parents before children."""
        return {spec.name: spec for spec in (self._customers(), self._orders(), self._documents(), self._accounts())}

    def _spec(self, oracle: OracleTable, production: str, **more: Any) -> TableSpec:
        policies = {"null_version": self.null_version, "equal_version": self.equal_version, "orphans": self.orphans}
        if self.orphans == "soft_delete":
            policies["soft_delete_column"] = MARK
            production += f", {MARK} timestamp(6)"
        return TableSpec(oracle, production, policies=policies, **more)

    def _customers(self) -> TableSpec:
        return self._spec(
            OracleTable(
                "CUSTOMERS",
                columns=[
                    OracleColumn("CUSTOMER_ID", self.key_kind.oracle, nullable=False),
                    OracleColumn("NAME", "VARCHAR2(40)"),
                    OracleColumn("CREATED_AT", "TIMESTAMP(6)", nullable=False),
                    OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
                ],
                primary_key=["CUSTOMER_ID"],
                logs_all_columns=self.all_columns,
            ),
            f"customer_id {self.key_kind.production} PRIMARY KEY, name varchar(40), created_at timestamp(6) NOT NULL, "
            "updated_at timestamp(6) NOT NULL",
            window="created_at",
            version="updated_at",
            content=("name",),
            kinds={"customer_id": self.key_kind},
        )

    def _orders(self) -> TableSpec:
        nullable = self.on_delete == "SET NULL"
        return self._spec(
            OracleTable(
                "ORDERS",
                columns=[
                    OracleColumn("ORDER_ID", self.key_kind.oracle, nullable=False),
                    OracleColumn("CUSTOMER_ID", self.key_kind.oracle, nullable=nullable),
                    OracleColumn("AMOUNT", "NUMBER(10,2)"),
                    OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
                ],
                primary_key=["ORDER_ID"],
                foreign_keys=[OracleForeignKey(["CUSTOMER_ID"], "CUSTOMERS")],
                logs_all_columns=self.all_columns,
            ),
            f"order_id {self.key_kind.production} PRIMARY KEY, customer_id {self.key_kind.production} "
            f"{'' if nullable else 'NOT NULL'} REFERENCES production.customers ON DELETE {self.on_delete}, "
            "amount numeric(10, 2), updated_at timestamp(6) NOT NULL",
            window="updated_at",
            version="updated_at",
            content=("amount",),
            kinds={"order_id": self.key_kind, "customer_id": self.key_kind},
            parent="customers",
            indexes=("CREATE INDEX ON production.orders (customer_id)",),
        )

    def _documents(self) -> TableSpec:
        return self._spec(
            OracleTable(
                "DOCUMENTS",
                columns=[
                    OracleColumn("DOCUMENT_ID", self.key_kind.oracle, nullable=False),
                    OracleColumn("PART_NO", "NUMBER(3)", nullable=False),
                    OracleColumn("BODY", self.lob or "VARCHAR2(40)"),
                    OracleColumn("ISSUED_AT", "TIMESTAMP(6)", nullable=False),
                    OracleColumn("REVISED_AT", "TIMESTAMP(6)"),
                ],
                primary_key=["DOCUMENT_ID", "PART_NO"],
                logs_all_columns=self.all_columns,
            ),
            f"document_id {self.key_kind.production}, part_no integer, body {'text' if self.lob else 'varchar(40)'}, "
            "issued_at timestamp(6) NOT NULL, revised_at timestamp(6), PRIMARY KEY (document_id, part_no)",
            window="issued_at",
            version="revised_at",
            content=("body",),
            # As the numbers of parts come from different types of the two sides.
            kinds={"document_id": self.key_kind, "part_no": PLAIN},
            partitions=self.partitions,
        )

    def _accounts(self) -> TableSpec:
        unique = {
            "constraint": "ALTER TABLE production.accounts ADD UNIQUE (login)",
            "partial": "CREATE UNIQUE INDEX ON production.accounts (login) WHERE login IS NOT NULL",
            "expression": "CREATE UNIQUE INDEX ON production.accounts (lower(login))",
            "exclusion": "ALTER TABLE production.accounts ADD EXCLUDE USING hash (login WITH =)",
        }
        return self._spec(
            OracleTable(
                "ACCOUNTS",
                columns=[
                    OracleColumn("ACCOUNT_ID", self.key_kind.oracle, nullable=False),
                    OracleColumn("LOGIN", "VARCHAR2(40)"),
                    OracleColumn("BALANCE", "NUMBER(10,2)"),
                    OracleColumn("OPENED_AT", "TIMESTAMP(6)", nullable=False),
                    OracleColumn("UPDATED_AT", "TIMESTAMP(6)", nullable=False),
                ],
                primary_key=["ACCOUNT_ID"],
                logs_all_columns=self.all_columns,
            ),
            f"account_id {self.key_kind.production} PRIMARY KEY, login varchar(40), balance numeric(10, 2), "
            "opened_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL",
            window="opened_at",
            version="updated_at",
            content=("balance",),
            kinds={"account_id": self.key_kind},
            unique="login",
            indexes=(unique[self.unique],),
        )


SPECS = World().specs
"""The tables of the plain world."""

_START = datetime(2025, 1, 3, 4)
_HOUR = timedelta(hours=1)
BOUNDS = ((_START, _START + _HOUR), (_START + _HOUR, _START + 2 * _HOUR))
"""The two neighbours that are reloaded, as wall-clock values of the source, whose zone is UTC."""
WINDOWS = tuple(Window(start.replace(tzinfo=timezone.utc), end.replace(tzinfo=timezone.utc)) for start, end in BOUNDS)
"""The same as windows."""
STEP = timedelta(microseconds=1)
BEFORE = (_START - 2 * _HOUR, _START)
AFTER = (BOUNDS[-1][1], BOUNDS[-1][1] + 2 * _HOUR)


def all_keys(spec: TableSpec) -> list[Key]:
    """Every key that a table can have."""
    if len(spec.key) == 1:
        return [(number,) for number in range(1, KEYS + 1)]
    return [(number, part) for number in range(1, KEYS // 3 + 1) for part in (1, 2, 3)]


def in_windows(spec: TableSpec, row: Row | None) -> bool:
    """Whether there is a row and it lies in one of the windows."""
    return row is not None and any(start <= row[spec.window] < end for start, end in BOUNDS)
