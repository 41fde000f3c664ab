"""One run: damage, writer, CDC and reloads beside each other, then the verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

import psycopg
from psycopg.rows import class_row

from reload_assets_tests.campaigns import baselines
from reload_assets_tests.campaigns.bench import Bench, Databases
from reload_assets_tests.campaigns.damage import Damaged, damage
from reload_assets_tests.campaigns.judge import (
    Audited,
    AuditFault,
    Made,
    RowFault,
    judge_audit,
    judge_lists,
    judge_rows,
)
from reload_assets_tests.campaigns.leftovers import find_leftovers
from reload_assets_tests.campaigns.leniency import leniency, unreported, unreported_lists
from reload_assets_tests.campaigns.model import Model
from reload_assets_tests.campaigns.order import reload_all
from reload_assets_tests.campaigns.reloads import Reloader, Reloads
from reload_assets_tests.campaigns.replication import Replication, changing_lag, restarting
from reload_assets_tests.campaigns.schema import WINDOWS, World
from reload_assets_tests.campaigns.settings import MODES, Job, configuration
from reload_assets_tests.campaigns.story import tell
from reload_assets_tests.campaigns.tables import read_tables
from reload_assets_tests.campaigns.worlds import world_of
from reload_assets_tests.campaigns.writer import Writer

_REPORTED = """
SELECT DISTINCT ON (t.table_name, r.window_start) t.table_name, r.window_start, t.orphans
FROM admin.reload_tables AS t JOIN admin.reloads AS r USING (reload_id)
WHERE r.confirm_status = 'confirmed' AND r.selection = 'window'
ORDER BY t.table_name, r.window_start, r.reload_id DESC
"""
_REPORTED_OF_LISTS = """
SELECT reload_id, table_name, orphans FROM admin.reload_tables JOIN admin.reloads USING (reload_id)
WHERE selection = 'keys'
"""
_MERGED_OF_LISTS = """
SELECT reload_id, table_name, key FROM admin.reload_changes JOIN admin.reloads USING (reload_id)
WHERE selection = 'keys' AND step = 'merge'
"""
_LISTED = "SELECT reload_id, table_name, key FROM admin.reload_keys"


@dataclass(frozen=True)
class Result:
    """The verdict on one run. ``retries`` and ``given_up`` are reasons; ``story`` says how faults came about."""

    job: Job
    world: World
    seconds: float
    changes: int
    rows: Sequence[RowFault]
    audit: Sequence[AuditFault]
    leftovers: Sequence[str]
    retries: Sequence[str]
    given_up: Sequence[str]
    slowest_apply: float
    story: str

    @property
    def consistent(self) -> bool:
        """Whether production is as promised and, for ours, whether everything else is too."""
        beside = self.audit or self.leftovers or self.given_up
        return not (self.rows or (MODES[self.job.mode].ours and beside))


def run_once(bench: Bench, job: Job) -> Result:
    """Make the run of a job. Raises what breaks in the harness itself."""
    began = time.monotonic()
    world = world_of(job)
    model = Model(random.Random(f"{job.seed} source"), world)
    damaged = damage(model.tables, random.Random(f"{job.seed} damage"), MODES[job.mode].damage, world)
    model.zombies = damaged.zombies
    at_first = {name: dict(rows) for name, rows in model.tables.items()}
    model.clock = lambda: datetime.now(timezone.utc).replace(tzinfo=None)
    with bench.databases(world.specs, model.tables, damaged.production) as databases:
        replication = Replication(bench, databases, world, job.policy, databases.target.replace("_", "-"))
        try:
            replication.start()
            config = configuration(
                world,
                job.mode,
                source=replication.source_endpoint,
                target=replication.load_endpoint,
                instance=bench.instance,
                cdc_task=replication.task,
            )
            reloader = Reloader(bench, databases, config, world, job.mode)
            source = bench.source.url(databases.source)
            writer = Writer(source, model, f"{job.seed} writer", lambda: reloader.done.quiet_seconds)
            rng = random.Random(f"{job.seed} reloads")
            with _chaos(job, world, writer, bench, replication):
                time.sleep(rng.uniform(0.1, 0.4))
                reload_all(world, reloader, damaged.production, at_first, rng)
                time.sleep(rng.uniform(0.1, 0.3))
            replication.drain()
            return _judge(job, world, damaged, bench, databases, replication, writer, reloader.done, began)
        finally:
            replication.close()


@contextmanager
def _chaos(job: Job, world: World, writer: Writer, bench: Bench, replication: Replication) -> Iterator[None]:
    """Let the writer write and the lag change during the block."""
    writer.start()
    try:
        with ExitStack() as stack:
            stack.enter_context(changing_lag(bench, f"{job.seed} lag"))
            if world.restarts:
                stack.enter_context(restarting(replication, f"{job.seed} restarts"))
            yield
    finally:
        writer.stop()


def _judge(
    job: Job,
    world: World,
    damaged: Damaged,
    bench: Bench,
    databases: Databases,
    replication: Replication,
    writer: Writer,
    done: Reloads,
    began: float,
) -> Result:
    specs = world.specs
    source = read_tables(bench.source.url(databases.source), specs, on_source=True)
    target_url = bench.target.url(databases.target)
    production = read_tables(target_url, specs, on_source=False)
    shadow = read_tables(bench.target.url(databases.shadow), specs, on_source=False)
    changes = [(committed.at, change) for committed in writer.journal for change in committed.changes]
    excused = leniency(world, damaged.zombies | damaged.altered, changes, done.compared, source, production)
    reloads_windows = world.keys != "instead"
    rows = judge_rows(
        specs, source, production, shadow, excused, windows=reloads_windows, listed=done.compared.keys.keys()
    )
    found: list[str] = []
    if MODES[job.mode].ours:
        with psycopg.connect(target_url) as connection:
            counts = connection.execute(_REPORTED).fetchall()
            of_lists = connection.execute(_REPORTED_OF_LISTS).fetchall()
            merged = connection.execute(_MERGED_OF_LISTS).fetchall()
            listed = connection.execute(_LISTED).fetchall()
        numbers = {window.start: number for number, window in enumerate(WINDOWS)}
        reported = {(table, numbers[start]): count for table, start, count in counts}
        found += unreported(world, changes, done.compared, source, production, reported)
        reported_of_lists = {(reload_id, table): count for reload_id, table, count in of_lists}
        found += unreported_lists(changes, done.lists, source, production, reported_of_lists)
        found += judge_lists(specs, merged, listed)
    audit: list[AuditFault] = []
    # Only this project's merges keep an audit.
    if job.mode not in baselines.STATEMENTS:
        with psycopg.connect(target_url) as connection:
            with connection.cursor(row_factory=class_row(Made)) as cursor:
                made = cursor.execute(
                    'SELECT transaction, table_name AS "table", before, after FROM campaign.made ORDER BY id'
                ).fetchall()
            with connection.cursor(row_factory=class_row(Audited)) as cursor:
                audited = cursor.execute(
                    'SELECT table_name AS "table", operation, key, before FROM admin.reload_changes'
                ).fetchall()
        audit = judge_audit(specs, made, audited)
    return Result(
        job=job,
        world=world,
        seconds=time.monotonic() - began,
        changes=sum(len(committed.changes) for committed in writer.journal),
        rows=rows,
        audit=audit,
        leftovers=[*find_leftovers(bench, databases, replication), *done.rejected, *found],
        retries=done.retries,
        given_up=done.given_up,
        slowest_apply=bench.dms.slowest_apply(replication.task),
        story=tell(target_url, specs, rows, audit, writer.journal, done) if rows or audit else "",
    )
