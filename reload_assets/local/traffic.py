"""Writes small transactions on the source while something else happens; the CDC task carries them into production."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection

PER_SECOND = 20
# The traffic may run for hours, so these limit the new orders that are kept, and the window's share that is deleted.
_MOST_RECENT = 2_000
_MOST_DELETED = 0.05
_PRODUCTS = ("Bolt", 'Nut, 5"', "Wäscheleine", "Cable\\6", "螺丝")

_KEYS = {
    "CUSTOMERS": 'SELECT "CUSTOMER_ID"::bigint FROM "SALES"."CUSTOMERS" WHERE {} ORDER BY 1',
    "ORDERS": 'SELECT "ORDER_ID"::bigint FROM "SALES"."ORDERS" WHERE {} ORDER BY 1',
    "DOCUMENTS": 'SELECT "DOCUMENT_ID"::bigint FROM "SALES"."DOCUMENTS" WHERE {} ORDER BY 1',
}
_IN_WINDOW = '"UPDATED_AT" >= %(start)s AND "UPDATED_AT" < %(end)s'
_ADD_CUSTOMER = """
INSERT INTO "SALES"."CUSTOMERS" ("CUSTOMER_ID", "NAME", "EMAIL", "STATUS", "CREATED_AT", "UPDATED_AT")
VALUES (%(customer)s, %(name)s, %(email)s, 'active', localtimestamp, localtimestamp)
"""
_ADD_ORDER = """
INSERT INTO "SALES"."ORDERS" ("ORDER_ID", "CUSTOMER_ID", "AMOUNT", "ORDER_DATE", "UPDATED_AT")
VALUES (%(order)s, %(customer)s, %(amount)s, localtimestamp, localtimestamp)
"""
_ADD_ITEM = """
INSERT INTO "SALES"."ORDER_ITEMS" ("ORDER_ID", "LINE_NO", "PRODUCT", "QUANTITY", "PRICE", "UPDATED_AT")
VALUES (%(order)s, %(line)s, %(product)s, %(quantity)s, %(amount)s, localtimestamp)
"""
_CHANGE_ORDER = """
UPDATE "SALES"."ORDERS" SET "AMOUNT" = %(amount)s, "UPDATED_AT" = localtimestamp WHERE "ORDER_ID" = %(order)s
"""
_CHANGE_ITEMS = """
UPDATE "SALES"."ORDER_ITEMS" SET "PRICE" = %(amount)s, "UPDATED_AT" = localtimestamp WHERE "ORDER_ID" = %(order)s
"""
_DELETE_ITEMS = 'DELETE FROM "SALES"."ORDER_ITEMS" WHERE "ORDER_ID" = %(order)s'
_DELETE_ORDER = 'DELETE FROM "SALES"."ORDERS" WHERE "ORDER_ID" = %(order)s'
_DELETE_CUSTOMER = 'DELETE FROM "SALES"."CUSTOMERS" WHERE "CUSTOMER_ID" = %(customer)s'
_DELETE_DOCUMENT = 'DELETE FROM "SALES"."DOCUMENTS" WHERE "DOCUMENT_ID" = %(document)s'
# A later version on the same day: if a row that production lacks left the window before the load, the reload of that
# window could not bring it back.
_CORRECT = """
UPDATE "SALES".{table} SET {change}, "UPDATED_AT" = "UPDATED_AT" + %(later)s::interval
WHERE {key} = %(number)s AND "UPDATED_AT" + %(later)s::interval < date_trunc('day', "UPDATED_AT") + interval '1 day'
"""
# Statement, and whose keys it takes.
_CORRECTIONS = (
    (_CORRECT.format(table='"CUSTOMERS"', key='"CUSTOMER_ID"', change='"STATUS" = %(text)s'), "CUSTOMERS"),
    (_CORRECT.format(table='"ORDERS"', key='"ORDER_ID"', change='"AMOUNT" = %(amount)s'), "ORDERS"),
    (_CORRECT.format(table='"ORDER_ITEMS"', key='"ORDER_ID"', change='"PRICE" = %(amount)s'), "ORDERS"),
    (_CORRECT.format(table='"DOCUMENTS"', key='"DOCUMENT_ID"', change='"TITLE" = %(text)s'), "DOCUMENTS"),
)


class Traffic:
    """Commits about PER_SECOND transactions a second on the source, one after another, during a ``with`` block.

    They insert new orders with their items, some with a new customer; change and delete those; change rows whose
    UPDATED_AT is in ``[start, end)``, and delete some of them. The same ``seed`` on the same rows makes the same
    transactions, except for the clock. After an error the traffic ends; ``require_alive`` and the end of the block
    raise the error.
    """

    def __init__(self, url: str, start: datetime, end: datetime, *, seed: int) -> None:
        self._url, self._window = url, {"start": start, "end": end}
        self._dice = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="traffic", daemon=True)
        self._failure: Exception | None = None
        # Orders of now, each with the customer that was made for it.
        self._recent: deque[tuple[int, int | None]] = deque()
        self.transactions = 0

    def require_alive(self) -> None:
        """Raise RuntimeError if a transaction has failed."""
        if self._failure is not None:
            raise RuntimeError(f"The traffic on the source has ended: {self._failure}") from self._failure

    def __enter__(self) -> Traffic:
        with psycopg.connect(self._url) as connection:
            everything = {table: self._keys(connection, query, "true") for table, query in _KEYS.items()}
            self._old = {table: self._keys(connection, query, _IN_WINDOW) for table, query in _KEYS.items()}
        self._customers = everything["CUSTOMERS"]
        self._next_customer = max(everything["CUSTOMERS"]) + 1
        self._next_order = max(everything["ORDERS"]) + 1
        self._fewest = {table: len(keys) * (1 - _MOST_DELETED) for table, keys in self._old.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self.require_alive()

    def _keys(self, connection: Connection[Any], query: str, condition: str) -> list[int]:
        return [key for (key,) in connection.execute(query.format(condition), self._window)]

    def _write(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while not self._ended.wait(1 / PER_SECOND):
                    step = self._choose()
                    with connection.transaction():
                        step(connection)
                    self.transactions += 1
        except Exception as error:
            self._failure = error

    def _choose(self) -> Callable[[Connection[Any]], None]:
        if len(self._recent) > _MOST_RECENT:
            return self._delete_recent
        steps: dict[Callable[[Connection[Any]], None], int] = {self._add: 8, self._correct: 6}
        if self._recent:
            steps |= {self._change_recent: 3, self._delete_recent: 1}
        if self._to_delete():
            steps[self._delete_old] = 2
        return self._dice.choices(list(steps), list(steps.values()))[0]

    def _add(self, connection: Connection[Any]) -> None:
        """Insert an order with its items, and perhaps its customer; parents before children."""
        order, self._next_order = self._next_order, self._next_order + 1
        own, customer = None, self._dice.choice(self._customers)
        if self._dice.random() < 0.3:
            own = customer = self._next_customer
            self._next_customer += 1
            name, email = f"New customer {customer}", f"customer{customer}@example.com"
            connection.execute(_ADD_CUSTOMER, {"customer": customer, "name": name, "email": email})
        connection.execute(_ADD_ORDER, {"order": order, "customer": customer, "amount": self._amount()})
        for line in range(1, self._dice.randint(1, 3) + 1):
            what = {"product": self._dice.choice(_PRODUCTS), "quantity": self._dice.randint(1, 1000)}
            connection.execute(_ADD_ITEM, {"order": order, "line": line, "amount": self._amount(), **what})
        self._recent.append((order, own))

    def _change_recent(self, connection: Connection[Any]) -> None:
        order, _ = self._dice.choice(self._recent)
        connection.execute(_CHANGE_ORDER, {"order": order, "amount": self._amount()})
        connection.execute(_CHANGE_ITEMS, {"order": order, "amount": self._amount()})

    def _delete_recent(self, connection: Connection[Any]) -> None:
        order, own = self._recent.popleft()
        self._delete_order(connection, order)
        if own is not None:
            connection.execute(_DELETE_CUSTOMER, {"customer": own})

    def _correct(self, connection: Connection[Any]) -> None:
        """Give a row of the window, or the items of an order, other content and a later version."""
        statement, table = self._dice.choice(_CORRECTIONS)
        values = {
            "number": self._dice.choice(self._old[table]),
            "text": f"corrected {self._dice.randrange(10_000)}",
            "amount": self._amount(),
            "later": f"{self._dice.randint(1, 2_000_000)} microseconds",
        }
        connection.execute(statement, values)

    def _delete_old(self, connection: Connection[Any]) -> None:
        table = self._dice.choice(self._to_delete())
        key = self._old[table].pop(self._dice.randrange(len(self._old[table])))
        if table == "ORDERS":
            self._delete_order(connection, key)
        else:
            connection.execute(_DELETE_DOCUMENT, {"document": key})

    def _to_delete(self) -> list[str]:
        return [table for table in ("ORDERS", "DOCUMENTS") if len(self._old[table]) > self._fewest[table]]

    @staticmethod
    def _delete_order(connection: Connection[Any], order: int) -> None:
        """Delete an order, its children first."""
        connection.execute(_DELETE_ITEMS, {"order": order})
        connection.execute(_DELETE_ORDER, {"order": order})

    def _amount(self) -> float:
        return self._dice.randint(1, 10_000_000) / 100
