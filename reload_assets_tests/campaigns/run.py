"""One run: damage, writer, CDC and reloads beside each other, then the verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from reload_assets_tests.campaigns import baselines
from reload_assets_tests.campaigns.bench import Bench, Databases, read_tables
from reload_assets_tests.campaigns.damage import damage
from reload_assets_tests.campaigns.judge import Audited, AuditFault, Made, RowFault, judge_audit, judge_rows
from reload_assets_tests.campaigns.leftovers import find_leftovers
from reload_assets_tests.campaigns.model import Model
from reload_assets_tests.campaigns.reloads import Reloader, Reloads
from reload_assets_tests.campaigns.replication import Replication, changing_lag
from reload_assets_tests.campaigns.schema import WINDOWS
from reload_assets_tests.campaigns.settings import MODES, Job, configuration
from reload_assets_tests.campaigns.story import tell
from reload_assets_tests.campaigns.writer import Writer


@dataclass(frozen=True)
class Result:
    """The verdict on one run. ``retries`` and ``given_up`` are reasons; ``story`` tells how faults came about."""

    job: Job
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
    model = Model(random.Random(f"{job.seed} source"))
    damaged = damage(model.tables, random.Random(f"{job.seed} damage"), MODES[job.mode].damage)
    model.zombies = damaged.zombies
    with bench.databases(model.tables, damaged.production) as databases:
        replication = Replication(bench, databases, job.policy, databases.target.replace("_", "-"))
        try:
            replication.start()
            config = configuration(
                job.mode,
                source=replication.source_endpoint,
                target=replication.load_endpoint,
                instance=bench.instance,
                cdc_task=replication.task,
            )
            writer = Writer(bench.source.url(databases.source), model, f"{job.seed} writer")
            reloader = Reloader(bench, databases, config, job.mode)
            _act(job, writer, reloader, bench)
            replication.drain()
            return _judge(job, bench, databases, replication, writer, reloader.done, began)
        finally:
            replication.close()


def _act(job: Job, writer: Writer, reloader: Reloader, bench: Bench) -> None:
    """Reload both windows at the same time, then one of them again, while the writer writes and the lag changes."""
    rng = random.Random(f"{job.seed} reloads")
    writer.start()
    try:
        with changing_lag(bench, f"{job.seed} lag"), ThreadPoolExecutor(len(WINDOWS)) as pool:
            time.sleep(rng.uniform(0.1, 0.4))
            pauses = [rng.uniform(0, 0.3) for _ in WINDOWS]
            for _ in pool.map(reloader.reload, WINDOWS, pauses):
                pass
            reloader.reload(rng.choice(WINDOWS))
            time.sleep(rng.uniform(0.1, 0.3))
    finally:
        writer.stop()


def _judge(
    job: Job, bench: Bench, databases: Databases, replication: Replication, writer: Writer, done: Reloads, began: float
) -> Result:
    source = read_tables(bench.source.url(databases.source), on_source=True)
    target_url = bench.target.url(databases.target)
    production = read_tables(target_url, on_source=False)
    shadow = read_tables(bench.target.url(databases.shadow), on_source=False)
    rows = judge_rows(source, production, shadow)
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
        audit = judge_audit(made, audited)
    return Result(
        job=job,
        seconds=time.monotonic() - began,
        changes=sum(len(committed.changes) for committed in writer.journal),
        rows=rows,
        audit=audit,
        leftovers=find_leftovers(bench, databases, replication),
        retries=done.retries,
        given_up=done.given_up,
        slowest_apply=bench.dms.slowest_apply(replication.task),
        story=tell(target_url, rows, audit, writer.journal, done) if rows or audit else "",
    )
