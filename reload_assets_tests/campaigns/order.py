"""Which windows and lists of keys a run reloads, in which order, and what takes up a dead one."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from reload_assets.windows import Window
from reload_assets_tests.campaigns.lists import KeyList, differing, drawn_lists, halves, list_of
from reload_assets_tests.campaigns.reloads import Reloader
from reload_assets_tests.campaigns.schema import WINDOWS, Place, Tables, World, in_windows

_LONGEST_PAUSE = 0.3


def reload_all(world: World, reloader: Reloader, damaged: Tables, source: Tables, rng: random.Random) -> None:
    """Reload the windows, or lists, all at the same time, and then some of them again.

    ``damaged`` is production and ``source`` the source as they were at first, of which the lists are made. Lists
    instead of windows have every wrong row. In the end there is another one, of what differs by then.
    """
    windows: list[Window | KeyList] = [] if world.keys == "instead" else list(WINDOWS)
    # Which of the first reloads dies.
    if world.keys == "none":
        dying = rng.randrange(len(windows)) if world.dies else None
        _at_once(reloader, windows, rng, dying)
        reloader.reload(rng.choice(WINDOWS))
        return
    wrong = differing(world.specs, source, damaged)
    lists = drawn_lists(world.specs, wrong, rng, all_wrong=world.keys == "instead")
    first = [*lists, *windows]
    dying = rng.randrange(len(lists)) if world.dies else None
    stays_dead = dying is not None and rng.random() < 0.5
    _at_once(reloader, first, rng, dying, stays_dead=stays_dead)
    left: set[Place] = set()
    if dying is not None and stays_dead:
        reloader.sweep()
        left = lists[dying].places
    if world.keys == "instead":
        _at_once(reloader, halves(left | differing(world.specs, *reloader.both_sides()), "last", rng, world.specs), rng)
    elif left and rng.random() < 0.5:
        # The windows take it up, except those of its rows that lie in none.
        _at_once(reloader, list(WINDOWS), rng)
        outside = _outside(world, left, reloader.both_sides()[1])
        if outside:
            reloader.reload(list_of("outside", outside, world.specs))
    else:
        again = list_of("again", left or rng.choice(lists).places, world.specs)
        _at_once(reloader, [rng.choice(WINDOWS), again], rng)


def _at_once(
    reloader: Reloader,
    selections: Sequence[Window | KeyList],
    rng: random.Random,
    dying: int | None = None,
    *,
    stays_dead: bool = False,
) -> None:
    if not selections:
        return
    pauses = [rng.uniform(0, _LONGEST_PAUSE) for _ in selections]
    with ThreadPoolExecutor(len(selections)) as pool:
        done = [
            pool.submit(reloader.reload, selected, pause, dies=number == dying, stays_dead=stays_dead)
            for number, (selected, pause) in enumerate(zip(selections, pauses, strict=True))
        ]
        for one in done:
            one.result()


def _outside(world: World, places: Collection[Place], production: Tables) -> set[Place]:
    """Those of the places whose rows of production lie in no window."""
    return {
        (table, key)
        for table, key in places
        if (row := production[table].get(key)) is not None and not in_windows(world.specs[table], row)
    }
