"""Draws the world of a run from its seed: the schema, what CDC carries and may do, policies, and what goes wrong."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any, Literal, get_args, get_type_hints

from reload_assets_tests.campaigns.keys import KINDS, KeyKind
from reload_assets_tests.campaigns.schema import World
from reload_assets_tests.campaigns.settings import MODES, Job

PLAIN_SHARE = 0.1
"""The share of runs in the plain world."""


def world_of(job: Job) -> World:
    """The world that the job names, or the one that its seed draws.

    With DMS's policies that make rows of updates, all columns are logged: DMS demands it for them.
    """
    if job.world is not None:
        return _parsed(job.world)
    rng = random.Random(f"{job.seed} world")
    if rng.random() < PLAIN_SHARE:
        return World()
    fenced = job.mode == "fence"
    # Every draw is always made, so that none changes the following ones.
    drawn = World(
        key_kind=rng.choice([KINDS["integer"], *KINDS.values()]),
        all_columns=rng.random() < 0.3,
        lob=_lob(rng.random()),
        foreign_keys=rng.random() < 0.4,
        on_delete=rng.choice(["NO ACTION", "CASCADE", "SET NULL"]),
        unique=rng.choice(["constraint", "constraint", "partial", "expression", "exclusion"]),
        meeting=rng.random() < 0.4,
        partitions=rng.choice([0, 0, 3]),
        orphans=rng.choice(["delete", "delete", "report", "soft_delete"]),
        equal_version=rng.choice(["repair", "repair", "repair", "skip"]),
        null_version=rng.choice(["repair", "repair", "report"]),
        returns=rng.random() < 0.4,
        dies=rng.random() < 0.3,
        restarts=rng.random() < 0.2,
        checked=rng.random() < 0.1,
        batch=rng.random() < 0.2,
        keys=rng.choice(["none", "none", "instead", "beside"]),
    )
    drawn = replace(drawn, all_columns=drawn.all_columns or job.policy == "idempotent")
    # With INSERT_RECORD, CDC updates a marked row and leaves its mark, which the product warns of.
    if job.policy == "idempotent" and drawn.orphans == "soft_delete":
        drawn = replace(drawn, orphans="delete")
    # A row that is left alone with another row's login would keep that row out for good.
    drawn = replace(drawn, meeting=drawn.meeting and drawn.equal_version == "repair")
    # A fence stops CDC itself, and respects a stop by others as intended.
    drawn = replace(drawn, restarts=drawn.restarts and not fenced)
    # Batches need the fence. DMS does not support them with enforced foreign keys: a parent that is deleted first would
    # take along children that move to another parent in the same batch.
    drawn = replace(drawn, batch=drawn.batch and fenced)
    drawn = replace(drawn, foreign_keys=drawn.foreign_keys and not drawn.batch)
    if not MODES[job.mode].ours:
        # A baseline knows neither policies nor deaths nor lists.
        drawn = replace(drawn, orphans="delete", equal_version="repair", null_version="repair", dies=False, keys="none")
    return drawn


def _lob(drawn: float) -> Literal["", "CLOB", "LONG"]:
    return "LONG" if drawn < 0.1 else "CLOB" if drawn < 0.6 else ""


def _parsed(text: str) -> World:
    """``lob=CLOB,orphans=report``: these in the plain world. Raises ValueError for what it does not have."""
    types = get_type_hints(World)
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in {field.name for field in fields(World)}:
            raise ValueError(f"a world has no {name!r}")
        kind = types[name]
        if kind is KeyKind:
            values[name] = KINDS[value]
        elif kind is bool:
            values[name] = value == "yes"
        elif choices := get_args(kind):
            if value not in choices:
                raise ValueError(f"{name} of a world is one of {', '.join(choices)}")
            values[name] = value
        else:
            values[name] = kind(value)
    return World(**values)
