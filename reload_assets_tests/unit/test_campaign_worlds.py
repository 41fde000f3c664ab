"""The worlds that a campaign draws."""

from __future__ import annotations

from reload_assets_tests.campaigns.settings import MODES, POLICIES, Job
from reload_assets_tests.campaigns.worlds import world_of


def test_batch_apply_is_drawn_behind_the_fence_only_and_never_over_foreign_keys() -> None:
    drawn = [
        (mode, world_of(Job(mode, policy, f"{number}")))
        for mode in MODES
        for policy in POLICIES
        for number in range(200)
    ]
    batches = [(mode, world) for mode, world in drawn if world.batch]
    assert {mode for mode, _ in batches} == {"fence"}
    fenced = sum(mode == "fence" for mode, _ in drawn)
    assert 0.12 < len(batches) / fenced < 0.25
    assert not any(world.foreign_keys for _, world in batches)
    assert any(world.foreign_keys for mode, world in drawn if mode == "fence")
