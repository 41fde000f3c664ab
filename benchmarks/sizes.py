"""How much is measured: ``small`` for a first try, ``default`` for published figures, ``full`` for a larger table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.orders import Case

MIXED, SAME, MISSING = "80/10/5/5", "99% identical", "all missing"
K, M = 1_000, 1_000_000
EVERY = ("limit", "floor", "atomic", "chunked", "seed", "upsert", "merge", "dlt_upsert", "dlt_delete_insert")
OTHERS = ("limit", "floor", "atomic", "chunked", "seed", "upsert", "merge")
BESIDE = ("limit", "atomic", "chunked", "seed", "upsert", "merge")


@dataclass(frozen=True)
class Part:
    """One comparison: some strategies on one case."""

    case: Case
    strategies: Sequence[str]
    beside_cdc: bool = False


@dataclass(frozen=True)
class Size:
    """What a run of the benchmark covers.

    ``main`` gives the ratios to the seed and to the limit; ``growth_production`` are (smallest, largest) production
    for one window, ``growth_window`` (smaller, larger) windows of one production. ``second`` is done on the second
    server. ``verified`` and ``loaded`` are rows, ``repaired`` are rows of production and of the window where some are
    repaired, ``reloaded`` is the number of windows that whole runs reload.
    """

    repetitions: int
    main: Case
    growth_production: tuple[Case, Case]
    growth_window: tuple[Case, Case]
    parts: Sequence[Part]
    second: Sequence[Part]
    verified: int
    repaired: tuple[int, int]
    loaded: int
    reloaded: int


def _size(
    *,
    repetitions: int,
    main: Case,
    productions: tuple[int, ...],
    windows: tuple[int, int, int],
    mixes: tuple[int, int],
    second: tuple[int, int],
    verified: int,
    repaired: tuple[int, int],
    loaded: int,
    reloaded: int,
) -> Size:
    least, small, large = windows
    growth = [Case(rows, small, MIXED) for rows in productions]
    wider = [Case(main.production, rows, MIXED) for rows in (least, large)]
    second_case = Case(*second, MIXED)
    parts = [
        Part(main, EVERY),
        Part(main, BESIDE, beside_cdc=True),
        *(Part(case, ("limit", "floor", "atomic")) for case in (*growth, *wider) if case != main),
        *(Part(Case(*mixes, mix), OTHERS) for mix in (SAME, MISSING)),
    ]
    return Size(
        repetitions=repetitions,
        main=main,
        growth_production=(growth[0], growth[-1]),
        growth_window=(Case(main.production, small, MIXED), wider[1]),
        parts=sorted(parts, key=lambda part: part.case.production),
        second=[Part(second_case, OTHERS), Part(second_case, ("limit", "atomic", "chunked", "seed"), beside_cdc=True)],
        verified=verified,
        repaired=repaired,
        loaded=loaded,
        reloaded=reloaded,
    )


SIZES: Mapping[str, Size] = {
    "small": _size(
        repetitions=5,
        main=Case(200 * K, 50 * K, MIXED),
        productions=(100 * K, 200 * K),
        windows=(5 * K, 20 * K, 100 * K),
        mixes=(100 * K, 20 * K),
        second=(100 * K, 20 * K),
        verified=50 * K,
        repaired=(200 * K, 50 * K),
        loaded=20 * K,
        reloaded=1,
    ),
    "default": _size(
        repetitions=5,
        main=Case(5 * M, 500 * K, MIXED),
        productions=(1 * M, 5 * M),
        windows=(25 * K, 100 * K, 1 * M),
        mixes=(1 * M, 100 * K),
        second=(1 * M, 100 * K),
        verified=500 * K,
        repaired=(5 * M, 500 * K),
        loaded=150 * K,
        reloaded=3,
    ),
    "full": _size(
        repetitions=5,
        main=Case(5 * M, 500 * K, MIXED),
        productions=(1 * M, 5 * M, 10 * M),
        windows=(25 * K, 100 * K, 1 * M),
        mixes=(5 * M, 500 * K),
        second=(5 * M, 500 * K),
        verified=1 * M,
        repaired=(10 * M, 500 * K),
        loaded=1 * M,
        reloaded=5,
    ),
}
