"""The codes of what ``reload-assets doctor`` finds beside errors: how grave each is, and when it is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Severity = Literal["ok", "warn", "problem"]


class Code(NamedTuple):
    """What a code stands for."""

    severity: Severity
    when: str


def _ok(when: str) -> Code:
    return Code("ok", when)


def _warn(when: str) -> Code:
    return Code("warn", when)


def _problem(when: str) -> Code:
    return Code("problem", when)


FINDINGS: Mapping[str, Code] = {
    "archive-log-off": _problem("Oracle does not archive its redo log, which DMS reads changes from."),
    "cadence-odd": _warn("The windows are perhaps not those that were meant."),
    "cdc-carries": _ok("The CDC task carries all tables of a group."),
    "cdc-login-rights": _warn("The CDC task's login lacks rights on a production table."),
    "cdc-ready": _ok("The CDC task runs and lags no more than a reload allows."),
    "cdc-unconfigured": _warn("The configuration names no CDC task."),
    "check-unfed": _warn("A CHECK constraint is also about a column that no column of the source feeds."),
    "clocks-apart": _warn("The clocks of source and target differ by more than `cdc.margin_seconds`."),
    "column-unfed": _warn("No column of the source feeds a column of production."),
    "columns-uncompared": _warn("The finder drift does not compare columns of a table; each is named with the reason."),
    "deadlock-timeout-short": _warn("In a deadlock PostgreSQL could end CDC's transaction instead of the merge's."),
    "deletes-followed": _warn("Rows of another table would follow an orphan that is deleted, so it stays."),
    "endpoint-database": _problem("A target endpoint of DMS names another database than `target.connection`."),
    "endpoint-ready": _ok("An endpoint of DMS is of the right kind, and its connection test succeeded."),
    "engine-version-old": _warn("The replication engine does not know PostgreSQL of the target's version."),
    "index-missing": _warn("No index of production begins with the window column."),
    "instance-ready": _ok("The replication instance is available."),
    "key-moves": _warn("The key holds the window column, so a row that moves gets a new key."),
    "key-not-logged": _warn("Oracle does not log the key of updated rows, by which CDC finds them."),
    "load-ready": _ok("The mapping and the settings of a group's load have no mistakes."),
    "lob-over-limit": _problem("The source has a LOB that DMS would cut."),
    "lob-unmeasured": _warn("The length of a LOB column cannot be measured."),
    "lobs-fit": _ok("No LOB that was looked at reaches the limit."),
    "lock-table-small": _warn("A merge may need more than half of the locks that PostgreSQL has room for."),
    "logging-ready": _ok("Oracle archives its redo log and logs what CDC needs."),
    "look-denied": _warn("A login may not read what would show a mistake; the GRANT is named."),
    "look-failed": _problem("Something failed that nobody expected."),
    "look-refused": _problem("PostgreSQL refused a statement."),
    "look-timed-out": _warn("A statement took longer than `doctor` waits."),
    "not-encrypted": _warn("A connection over the network is not encrypted."),
    "not-cut": _warn("A table is merged in one transaction although `merge.mode` is `chunked`."),
    "notify-ready": _ok("Events of reloads and of CDC go to a channel that can be used."),
    "notify-silent": _warn("Nobody hears of a reload that failed or of CDC that is stopped."),
    "nulls-refused": _warn("A column may be NULL in the source, but not in production."),
    "parent-elsewhere": _warn("A table refers to one that another group reloads."),
    "partition-alone": _warn("The production table is a partition, and other rows than its own are refused."),
    "partition-gap": _warn("Production has no partition for a part of the windows' time, or of the key's hashes."),
    "rows-ahead": _warn("The newest row of the source is ahead of its clock in `source.time_zone`."),
    "rows-windowless": _warn("Rows have no value in the window column, and so are in no window."),
    "server-ready": _ok("The target runs a version of PostgreSQL for which the project is tested."),
    "server-version-new": _warn("The target runs a version of PostgreSQL for which the project is not tested."),
    "sessions-few": _warn("A limit on connections leaves a run too little room beside the sessions that there are."),
    "source-index-missing": _warn("No index of the source begins with the window column."),
    "source-ready": _ok("The source can be read, and is the primary."),
    "source-unconfigured": _warn("The configuration has no source connection."),
    "source-undescribed": _warn("Without a source connection a table's key and window column are not known there."),
    "supplemental-logging-off": _problem("Oracle logs too little of a change for CDC (supplemental logging)."),
    "table-ready": _ok("A table is resolved against both catalogs."),
    "table-sizes": _ok("How large production's tables are. PostgreSQL cannot tell the free space."),
    "tables-unseen": _warn("Without a database or DMS the tables could not be looked at."),
    "target-ready": _ok("The job's login has its rights, and the ledger is up to date."),
    "transaction-long": _warn("A transaction in the target has been open for long."),
    "triggers-fire": _warn("Triggers of production fire when a reload writes."),
    "unique-unfed": _warn("All new rows would have the same value in a unique index that the source does not feed."),
    "values-kept": _warn("A row that is marked as deleted keeps its unique values."),
    "values-refused": _warn("Production's type has no room for some values of the source."),
    "windows-known": _ok("Which windows the cadence has."),
    "zone-of-login": _warn("DMS's login reads times of a `timestamptz` in another zone than a reload."),
    "zone-of-source": _warn("The source's clock is not in `source.time_zone`."),
    "zones-agree": _ok("The source's clock is in `source.time_zone`."),
}
