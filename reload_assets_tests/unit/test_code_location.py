"""What Dagster makes of the names that users write: any table, any group, and the ones that it cannot take."""

from __future__ import annotations

import itertools
import logging
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from reload_assets.code_location import CodeLocation, build_code_location
from reload_assets.config.model import ReloadConfig, parse_config
from reload_assets.labels import labels

CHECKOUT = Path(__file__).parents[2]
ODD_TABLES = (
    "import", "type", "config", "class", "context", "order-items", "order_items", "order items", "emp#", "a.b", "größe",
    "Orders", "orders", "a/b", 'say "x"', "%", "日本", "adhoc", "staging", "x" * 63,
)  # fmt: skip


def configured(groups: Mapping[str, Sequence[str]], **owners: Sequence[str]) -> ReloadConfig:
    """The repository's configuration with other groups, given by the names of their tables."""
    document = yaml.safe_load((CHECKOUT / "reload.yaml").read_text(encoding="utf-8"))
    numbers = itertools.count()
    document["groups"] = {
        group: {
            "owners": list(owners.get(group, [])),
            "tables": {
                name: {"window_column": "updated_at", "source": f"S{(number := next(numbers))}", "target": f"t{number}"}
                for name in names
            },
        }
        for group, names in groups.items()
    }
    return parse_config(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))


def built(config: ReloadConfig) -> CodeLocation:
    location = build_code_location(config)
    location.definitions.validate_loadable(location.definitions)
    return location


def jobs(location: CodeLocation) -> set[str]:
    return {job.name for job in location.definitions.get_repository_def().get_all_jobs() if "__" not in job.name}


def test_tables_of_any_name_are_assets_with_names_of_their_own() -> None:
    config = configured({"odd": ODD_TABLES})
    location = built(config)
    assert not location.left_out
    graph = location.definitions.resolve_asset_graph()
    assert len(graph.get_all_asset_keys()) == 8 * len(ODD_TABLES)
    known = labels(ODD_TABLES)
    assert {known[name] for name in ("order_items", "Orders", "orders")} == {"order_items", "Orders", "orders"}
    assert (known["order-items"], known["order items"], known["größe"]) == ("order_items_2", "order_items_3", "gro_e")
    for key in graph.materializable_asset_keys:
        assert graph.get(key).assets_def.can_subset


def test_a_table_that_needs_no_other_label_keeps_it_beside_one_that_does() -> None:
    assert labels(["order-items", "order_items", "order_items_2"]) == {
        "order-items": "order_items_3", "order_items": "order_items", "order_items_2": "order_items_2",
    }  # fmt: skip


def test_names_of_groups_and_tables_that_read_alike_do_not_meet() -> None:
    location = built(configured({"sales": ["eu_orders"], "sales_eu": ["orders"], "adhoc": ["adhoc_orders"]}))
    assert not location.left_out


@pytest.mark.parametrize(
    "groups",
    [
        {"adhoc": ["a"], "type": ["b"], "import": ["c"], "requests": ["d"], "window_x": ["e"]},
        {"x": ["a"], "x_adhoc": ["b"], "x_windows": ["c"], "x_nightly": ["d"], "sweeper": ["e"]},
    ],
)
def test_groups_may_have_the_names_of_our_own(groups: dict[str, list[str]]) -> None:
    location = built(configured(groups))
    assert not location.left_out
    assert {f"reload_{group}" for group in groups} < jobs(location)


@pytest.mark.parametrize("groups", [("x", "window_x"), ("window_x", "x")])
def test_a_group_whose_job_would_have_the_name_of_anothers_is_left_out(groups: tuple[str, str]) -> None:
    first, second = groups
    location = built(configured({first: ["a"], second: ["b"], "other": ["c"]}))
    assert list(location.left_out) == [second]
    assert f"groups.{second}: its job would have the name reload_window_x" in str(location.left_out[second])
    assert {f"reload_{first}", "reload_other"} < jobs(location)


@pytest.mark.parametrize("owner", ["alice", "team:", "", "a@b"])
def test_an_owner_that_dagster_refuses_leaves_its_group_out_and_no_other(owner: str) -> None:
    location = built(configured({"bad": ["a"], "good": ["b"]}, bad=["team:data", owner], good=["team:data", "a@b.ch"]))
    assert list(location.left_out) == ["bad"]
    said = str(location.left_out["bad"])
    assert said.startswith(f"reload.yaml: groups.bad.owners: {owner!r} is neither")
    assert said.endswith("[owner-invalid]")
    assert "reload_good" in jobs(location)
    assert "reload_bad" not in jobs(location)


def test_with_no_group_left_the_code_location_still_loads_and_the_sweeper_works() -> None:
    location = built(configured({"bad": ["a"]}, bad=["alice"]))
    assert {sensor.name for sensor in location.definitions.get_repository_def().sensor_defs} == {
        "sweeper",
        "reload_requests",
        "find_skipped",
        "notifier",
        "find_validation_failures",
    }


def test_what_is_left_out_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    document = yaml.safe_load((CHECKOUT / "reload.yaml").read_text(encoding="utf-8"))
    document["groups"]["bad"] = {"owners": ["alice"], "tables": {"t": {"window_column": "updated_at"}}}
    file = tmp_path / "reload.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("RELOAD_CONFIG", str(file))
    with caplog.at_level(logging.ERROR):
        loaded = runpy.run_module("reload_assets.definitions")
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: groups.bad.owners: 'alice' is neither an e-mail address nor team:NAME; write one such as team:alice. "
        "[owner-invalid] The other groups are loaded without it."
    ]
    assert "reload_sales" in {job.name for job in loaded["defs"].get_repository_def().get_all_jobs()}
