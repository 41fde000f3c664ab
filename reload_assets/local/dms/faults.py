"""Faults on demand, for tests and demos: set in Python on ``DmsStandIn.faults``, or as JSON over ``POST /faults``."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong. ``times`` is how often it strikes; None means until it is cleared."""

    kind: ClassVar[str]
    times: int | None = None
    reached: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    cleared: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def concerns(self, subject: str) -> bool:
        """Return whether it strikes this operation (``DescribeReplicationTasks``) or table (``SALES.ORDERS``)."""
        return True


@dataclass(kw_only=True)
class CallFault(Fault):
    """A fault of API calls: of one ``operation``, or of all."""

    operation: str | None = None

    def concerns(self, subject: str) -> bool:
        return self.operation in (None, subject)


@dataclass(kw_only=True)
class TableFault(Fault):
    """A fault of loading ``table`` (source names, ``ORDERS`` or ``SALES.ORDERS``), or of every table."""

    table: str | None = None

    def concerns(self, subject: str) -> bool:
        return self.table in (None, subject, subject.split(".", 1)[1])


class Throttle(CallFault):
    """Calls are answered with ThrottlingException."""

    kind = "throttle"


class DropConnection(CallFault):
    """The TCP connection is closed without an answer, before the call has any effect."""

    kind = "drop-connection"


@dataclass(kw_only=True)
class TableError(TableFault):
    """A table fails after ``after_rows`` rows were read; the full CommitRate batches before that stay committed."""

    kind = "table-error"
    after_rows: int = 0
    message: str = "RetCode: SQL_ERROR SqlState: XX000 Message: a failure on demand"


@dataclass(kw_only=True)
class SlowLoad(TableFault):
    """A pause of ``seconds`` before every ``rows`` rows."""

    kind = "slow-load"
    seconds: float
    rows: int = 100


@dataclass(kw_only=True)
class Pause(TableFault):
    """A load pauses after ``after_rows`` rows until the fault is cleared; ``reached`` is set when it pauses."""

    kind = "pause"
    after_rows: int = 0


@dataclass(kw_only=True)
class OverstatedRows(TableFault):
    """FullLoadRows is reported ``extra`` rows larger than what was committed."""

    kind = "overstated-rows"
    extra: int


class EmptyTable(TableFault):
    """A table gets no rows and is still reported as ``Table completed``."""

    kind = "empty-table"


class NoTables(Fault):
    """A task finds no tables when it starts."""

    kind = "no-tables"


class RecoverableError(Fault):
    """A task ends after its load as stopped with ``Stop Reason RECOVERABLE_ERROR``."""

    kind = "recoverable-error"


class StuckRunning(Fault):
    """A task has loaded all and stays ``running`` until it is stopped or the fault is cleared."""

    kind = "stuck-running"


@dataclass(kw_only=True)
class ApplyLag(Fault):
    """A CDC task applies a transaction at the earliest ``seconds`` after its commit on the source."""

    kind = "apply-lag"
    seconds: float


KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Throttle,
        DropConnection,
        TableError,
        SlowLoad,
        Pause,
        OverstatedRows,
        EmptyTable,
        NoTables,
        RecoverableError,
        StuckRunning,
        ApplyLag,
    )
}
_F = TypeVar("_F", bound=Fault)


class Faults:
    """The faults that are set; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def set(self, fault: _F) -> _F:
        """Let the fault strike from now on. Returns it, for its events ``reached`` and ``cleared``."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        """Clear the faults of a kind, or all: a paused load continues, a stuck task ends."""
        with self._lock:
            gone = [fault for fault in self._faults if kind in (None, fault.kind)]
            self._faults = [fault for fault in self._faults if fault not in gone]
        for fault in gone:
            fault.cleared.set()

    def strike(self, kind: type[_F], subject: str = "") -> _F | None:
        """Return the first fault of that kind that concerns the subject, used up once; None where there is none."""
        with self._lock:
            for fault in self._faults:
                if isinstance(fault, kind) and fault.times != 0 and fault.concerns(subject):
                    if fault.times is not None:
                        fault.times -= 1
                    fault.reached.set()
                    return fault
        return None

    def lag(self) -> float:
        """Return how many seconds a CDC task is held back now; the longest of several."""
        with self._lock:
            standing = [fault for fault in self._faults if isinstance(fault, ApplyLag)]
        for fault in standing:
            fault.reached.set()
        return max((fault.seconds for fault in standing), default=0.0)

    def described(self) -> list[dict[str, Any]]:
        """Return every fault as JSON; ``reached`` says whether it struck."""
        with self._lock:
            return [
                {"kind": fault.kind, **{name: getattr(fault, name) for name in _parameters(type(fault))}}
                | {"reached": fault.reached.is_set()}
                for fault in self._faults
            ]

    def change(self, document: Any) -> None:
        """Set one fault, ``{"kind": "table-error", "table": "ORDERS", "after_rows": 5, "times": 1}``, or clear faults,
        ``{"clear": "pause"}`` or ``{"clear": true}`` for all.

        Raises ValueError for an unknown kind or parameter.
        """
        if not isinstance(document, dict):
            raise ValueError("A fault is a JSON object.")
        wanted = dict(document)
        if "clear" in wanted:
            self.clear(None if wanted["clear"] is True else str(wanted["clear"]))
            return
        kind = KINDS.get(str(wanted.pop("kind", None)))
        if kind is None:
            raise ValueError(f"A fault's kind is one of {', '.join(KINDS)}.")
        if unknown := sorted(set(wanted) - set(_parameters(kind))):
            raise ValueError(f"A fault {kind.kind!r} has no {', '.join(unknown)}; it takes {_parameters(kind)}.")
        try:
            self.set(kind(**wanted))
        except TypeError as error:
            raise ValueError(f"A fault {kind.kind!r} is not complete: {error}.") from None


def _parameters(kind: type[Fault]) -> list[str]:
    return [entry.name for entry in dataclasses.fields(kind) if entry.init]
