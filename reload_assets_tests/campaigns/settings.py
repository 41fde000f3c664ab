"""What distinguishes the runs of a campaign: how the window is merged, CDC's apply policies, the damage before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets_tests.campaigns.damage import KINDS
from reload_assets_tests.campaigns.schema import GROUP, SOURCE_SCHEMA, World

JOB_ROLE, LOAD_ROLE, READER_ROLE = "reload_job", "dms", "reload_reader"
"""The logins of reloads: into the target, of their DMS tasks there, and into the source."""
CDC_ROLE = "dms_cdc"
"""CDC's login where production's foreign keys hold for it; otherwise a superuser, as a replica."""
LOCK_TIMEOUT_MS = 400
CHUNK_ROWS = 7
"""A window has some dozens of rows a table."""
POLICIES: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "idempotent": {"ApplyErrorInsertPolicy": "INSERT_RECORD", "ApplyErrorUpdatePolicy": "UPDATE_RECORD"},
}
"""The ErrorBehavior of the CDC task by policy; the rest are DMS's defaults."""


@dataclass(frozen=True)
class Mode:
    """A way to reload. Runs have only damage that it claims to fix, so every fault is its own."""

    name: str
    title: str
    ours: bool
    damage: Sequence[str]


MODES = {
    mode.name: mode
    for mode in (
        Mode("confirm", "ours, with confirm", True, KINDS),
        Mode("fence", "ours, with fence", True, KINDS),
        Mode("chunked", "ours, in chunks, with confirm", True, KINDS),
        Mode("seed", "update newer rows, then insert missing ones", False, ("missing", "stale")),
        Mode("upsert", "upsert where newer", False, ("missing", "stale")),
        Mode("unconfirmed", "ours, without confirm", False, ("missing", "stale", "corrupted")),
    )
}
OURS = tuple(mode.name for mode in MODES.values() if mode.ours)
BASELINES = tuple(mode.name for mode in MODES.values() if not mode.ours)


@dataclass(frozen=True)
class Job:
    """One run. ``world`` is what to make it in: by default its seed draws that."""

    mode: str
    policy: str
    seed: str
    world: str | None = None


def list_jobs(runs: int, seed: str, world: str | None = None) -> list[Job]:
    """The runs of a campaign: ours over its modes and policies in turn, a fifth as many of each baseline."""
    jobs = []
    for number in range(runs):
        jobs.append((OURS[number % len(OURS)], list(POLICIES)[number // len(OURS) % 2]))
    for mode in BASELINES:
        for number in range(max(3, runs // 5)):
            jobs.append((mode, list(POLICIES)[number % 2]))
    return [Job(mode, policy, f"{seed}-{number}", world) for number, (mode, policy) in enumerate(jobs)]


def configuration(
    world: World, mode: str, *, source: str = "-", target: str = "-", instance: str = "-", cdc_task: str = "-"
) -> ReloadConfig:
    """``reload.yaml`` of a run, with the ARNs of its endpoints, instance and CDC task."""
    tables = {
        spec.name: {"window_column": spec.window, "version_column": spec.version, **spec.policies}
        for spec in world.specs.values()
    }
    document: dict[str, Any] = {
        "source": {"schema": SOURCE_SCHEMA},
        "target": {
            # Not read: the bench makes the logins itself.
            "connection": {
                "host": "127.0.0.1",
                "port": 5432,
                "database": "target",
                "user": JOB_ROLE,
                "password": {"env": "RELOAD_TARGET_PASSWORD"},
            },
            "load_role": LOAD_ROLE,
        },
        "dms": {
            "replication_instance_arn": instance,
            "source_endpoint_arn": source,
            "target_endpoint_arn": target,
        },
        # The stand-in's instants have microseconds, unlike DMS's.
        "cdc": {
            "task_arn": cdc_task,
            "margin_seconds": 0,
            "wait_seconds": 30,
            "when_behind": "wait" if world.restarts else "refuse",
        },
        "windows": {"first": "2025-01-01", "cadence": "hourly"},
        "merge": {
            "lock_timeout_ms": LOCK_TIMEOUT_MS,
            "mode": "chunked" if mode == "chunked" else "atomic",
            "chunk_rows": CHUNK_ROWS,
        },
        "groups": {GROUP: {"against_cdc": "fence" if mode == "fence" else "confirm", "tables": tables}},
    }
    return parse_config(yaml.safe_dump(document), "the campaign's reload.yaml")
