"""What must not be left behind when the reloads of a run have ended, and what CDC must not have suffered from them."""

from __future__ import annotations

import time

import psycopg

from reload_assets.local.postgres import PostgresServer
from reload_assets_tests.campaigns.bench import Bench, Databases
from reload_assets_tests.campaigns.replication import Replication
from reload_assets_tests.campaigns.settings import JOB_ROLE, LOCK_TIMEOUT_MS, READER_ROLE

STALL_MARGIN_SECONDS = 1.5
"""What a statement of CDC may take beyond the merge's lock timeout on a machine that is busy with other things."""
_PATIENCE_SECONDS = 3.0

_QUERIES = {
    "a table in staging that belongs to no reload": """
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'staging'::regnamespace AND c.relkind = 'r'
        AND NOT EXISTS (
            SELECT FROM admin.reload_tables AS t
            WHERE t.staging_oid = c.oid OR c.relname = 'source_keys_' || t.staging_oid
        )""",
    "a reload that has not ended": """
        SELECT format('reload %s is %s', reload_id, status) FROM admin.reloads
        WHERE status IN ('open', 'loading', 'loaded', 'verified')""",
    "a confirm that has not ended": """
        SELECT format('reload %s', reload_id) FROM admin.reloads WHERE confirm_status = 'pending'""",
    "a CDC task that a reload has not resumed": """
        SELECT format('reload %s', reload_id) FROM admin.reloads
        WHERE cdc_stopped_at IS NOT NULL AND cdc_resumed_at IS NULL""",
    "a change of production by another session": """
        SELECT DISTINCT session FROM campaign.made WHERE session <> 'reload_assets'""",
}


_SESSIONS = """
SELECT
    format(
        'a session of %%s with %%s locks: %%s, %%s', usename,
        (SELECT count(*) FROM pg_locks AS l WHERE l.pid = a.pid), state, query
    )
FROM pg_stat_activity AS a WHERE usename = %(role)s
"""


def find_leftovers(bench: Bench, databases: Databases, replication: Replication) -> list[str]:
    """Each of them as a line; none where all is well."""
    found = [f"a load task: {task}" for task in replication.full_load_tasks()]
    for name, task in (("CDC", replication.task), ("the shadow's CDC", replication.shadow_task)):
        if (status := replication.status(task)) != "running":
            found.append(f"the task of {name} is {status}")
    with psycopg.connect(bench.target.url(databases.target)) as connection:
        for what, query in _QUERIES.items():
            found += [f"{what}: {row[0]}" for row in connection.execute(query.encode())]
    found += _open_sessions(bench.target, JOB_ROLE) + _open_sessions(bench.source, READER_ROLE)
    if deadlocks := bench.dms.deadlocks(replication.task):
        found.append(f"CDC met {deadlocks} deadlocks")
    slowest = bench.dms.slowest_apply(replication.task)
    if slowest > LOCK_TIMEOUT_MS / 1000 + STALL_MARGIN_SECONDS:
        found.append(f"a statement of CDC took {slowest:.2f} s")
    return found


def _open_sessions(server: PostgresServer, role: str) -> list[str]:
    """The sessions of a login that do not end; the server takes a moment to end one that was closed."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(server.url(), autocommit=True) as connection:
        while True:
            found = [str(row[0]) for row in connection.execute(_SESSIONS.encode(), {"role": role})]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)
