"""The whole asset graph as Dagster sees it: what is there, what hangs on what, and how the UI explains it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetCheckKey,
    AssetKey,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    DynamicPartitionsDefinition,
    FreshnessPolicy,
    GraphDefinition,
    TimeWindowPartitionsDefinition,
)
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode
from dagster._core.definitions.repository_definition import RepositoryDefinition

from reload_assets.assets.drift import DRIFT_FREE
from reload_assets.checks.drift import COMPARED_WITHIN
from reload_assets.code_location import build_code_location
from reload_assets.config.finders import FindersConfig
from reload_assets.config.model import ReloadConfig, load_config
from reload_assets.verify.production import AFTER_CHECKS, AFTER_CHECKS_OF_KEYS
from reload_assets.verify.staging import STAGING_CHECKS, STAGING_CHECKS_OF_KEYS

CHECKOUT = Path(__file__).parents[2]
TABLES = ("customers", "orders", "order_items", "documents")
FAMILIES = ("", "adhoc/", "keys/")
CHECKS = {
    "windows": (("staging", STAGING_CHECKS, True), ("production", AFTER_CHECKS, False)),
    "keys": (("staging", STAGING_CHECKS_OF_KEYS, True), ("production", AFTER_CHECKS_OF_KEYS, False)),
}


@pytest.fixture(scope="module")
def config() -> ReloadConfig:
    return load_config(CHECKOUT / "reload.yaml")


@pytest.fixture(scope="module")
def repository(config: ReloadConfig) -> RepositoryDefinition:
    definitions = build_code_location(config).definitions
    # As Dagster does when it loads them: resources, jobs and selections must all fit.
    definitions.validate_loadable(definitions)
    return definitions.get_repository_def()


@pytest.fixture(scope="module")
def graph(repository: RepositoryDefinition) -> AssetGraph:
    return repository.asset_graph


def node(graph: AssetGraph, name: str) -> AssetNode:
    return graph.get(AssetKey(name.split("/")))


def nodes(graph: AssetGraph, stage: str) -> Iterator[tuple[str, str, AssetNode]]:
    """Family, table and node of each asset of a stage."""
    for family in FAMILIES:
        for table in TABLES:
            yield family, table, node(graph, f"{family}{stage}/{table}")


def test_the_assets_and_what_each_is_made_from(graph: AssetGraph) -> None:
    parents = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    expected: dict[str, list[str]] = {f"oracle/{table}": [] for table in TABLES}
    for family in FAMILIES:
        for table in TABLES:
            expected[f"{family}staging/{table}"] = [f"oracle/{table}"]
            expected[f"{family}production/{table}"] = [f"{family}staging/{table}"]
    expected |= {f"drift/{table}": [f"production/{table}"] for table in TABLES}
    assert parents == expected


def test_source_tables_are_external_and_the_others_are_made_a_table_at_a_time(graph: AssetGraph) -> None:
    for table in TABLES:
        assert node(graph, f"oracle/{table}").is_external
    for stage in ("staging", "production"):
        for _, table, asset in nodes(graph, stage):
            assert asset.is_materializable
            made_by = graph.get(asset.key).assets_def
            assert made_by.can_subset
            assert {key.path[-1] for key in made_by.keys} == set(TABLES), table


def test_every_asset_has_its_group_kinds_owners_and_description(graph: AssetGraph) -> None:
    for table in TABLES:
        source = node(graph, f"oracle/{table}")
        assert (source.group_name, source.kinds, source.owners) == (
            "sales",
            {"source", "oracle"},
            ["team:data-platform"],
        )
        assert f"SALES.{table.upper()}" in (source.description or "")
        assert source.metadata["time zone"] == "UTC"
    for stage, kinds in (("staging", {"staging", "dms", "postgres"}), ("production", {"production", "postgres"})):
        for family, table, asset in nodes(graph, stage):
            assert asset.group_name == "_".join(["sales", *family.split("/")[:-1]])
            assert (asset.kinds, asset.owners) == (kinds, ["team:data-platform"])
            # It would hide the kinds, which are all that tells the layers apart in the lineage.
            made_by = asset.assets_def
            op = made_by.node_def.resolve_output_to_origin_op_def(made_by.get_output_name_for_asset_key(asset.key))
            assert "dagster/compute_kind" not in op.tags
            assert table in (asset.description or "")


def test_comparisons_are_told_apart_and_are_fresh_and_in_time_only_if_they_are_switched_on(
    graph: AssetGraph, config: ReloadConfig
) -> None:
    for table in TABLES:
        asset = node(graph, f"drift/{table}")
        assert (asset.group_name, asset.kinds) == ("sales_drift", {"drift", "postgres", "oracle"})
        assert asset.partitions_def == node(graph, f"production/{table}").partitions_def
        assert (asset.assets_def.can_subset, asset.freshness_policy) == (True, None)
    finders = FindersConfig.model_validate({"drift": {"within_days": 3}})
    definitions = build_code_location(config.model_copy(update={"finders": finders})).definitions
    switched_on = definitions.get_repository_def()
    (schedule,) = (each for each in switched_on.schedule_defs if each.name == "drift_sales")
    assert schedule.default_status is DefaultScheduleStatus.RUNNING
    for table in TABLES:
        key = AssetKey(["drift", table])
        assert AssetCheckKey(key, COMPARED_WITHIN) in switched_on.asset_graph.asset_check_keys
        assert switched_on.asset_graph.get(key).freshness_policy == FreshnessPolicy.time_window(timedelta(days=3))


def test_both_stages_share_the_partitions_of_their_family(graph: AssetGraph) -> None:
    for stage in ("staging", "production"):
        for family, _, asset in nodes(graph, stage):
            partitions = asset.partitions_def
            if family:
                assert isinstance(partitions, DynamicPartitionsDefinition)
                assert partitions.name == {"adhoc/": "sales_windows", "keys/": "sales_keys"}[family]
            else:
                assert isinstance(partitions, TimeWindowPartitionsDefinition)
                assert (partitions.timezone, partitions.cron_schedule) == ("UTC", "0 0 * * *")
                assert partitions.get_first_partition_key() == "2025-01-01"
            # So that each run is one window.
            assert asset.backfill_policy is None


def test_staging_checks_stand_in_the_way_of_production_and_later_ones_do_not(graph: AssetGraph) -> None:
    expected = {
        AssetCheckKey(AssetKey([*family.split("/")[:-1], stage, table]), name): blocking
        for family in FAMILIES
        for table in TABLES
        for stage, names, blocking in CHECKS["keys" if family.startswith("keys") else "windows"]
        for name in names
    }
    expected |= {AssetCheckKey(AssetKey(["drift", table]), DRIFT_FREE): False for table in TABLES}
    specs = {key: graph.get_check_spec(key) for key in graph.asset_check_keys}
    assert {key: spec.blocking for key, spec in specs.items()} == expected
    for key, spec in specs.items():
        assert spec.description, key
        assert spec.partitions_def == graph.get(key.asset_key).partitions_def, key


def test_the_jobs_and_what_each_of_them_makes(repository: RepositoryDefinition) -> None:
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert set(jobs) == {
        "reload_sales",
        "reload_window_sales",
        "reload_keys_sales",
        "validate_sales",
        "drift_sales",
        "drop_expired_staging",
    }
    assert jobs["validate_sales"].description
    compared = {key.to_user_string() for key in jobs["drift_sales"].asset_layer.executable_asset_keys}
    assert compared == {f"drift/{table}" for table in TABLES}
    for name, family in (
        ("reload_sales", ""),
        ("reload_window_sales", "adhoc/"),
        ("reload_keys_sales", "keys/"),
    ):
        job = jobs[name]
        made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        assert made == {f"{family}{stage}/{table}" for stage in ("staging", "production") for table in TABLES}
        # With their checks: without them the verdict would never be written.
        assert len(job.asset_layer.asset_graph.asset_check_keys) == len(TABLES) * (
            len(STAGING_CHECKS) + len(AFTER_CHECKS)
        )
        assert job.executor_def.name == "in_process"
        assert job.description


def test_the_visible_steps_of_a_load(repository: RepositoryDefinition) -> None:
    load = repository.get_job("reload_sales").graph.node_dict["load_sales"].definition
    assert isinstance(load, GraphDefinition)
    # In an order in which they can run, which is the only one.
    assert [step.name for step in load.nodes_in_topological_order] == [
        "open_reload_sales",
        "create_task_sales",
        "start_task_sales",
        "wait_for_load_sales",
        "drop_task_sales",
        "finish_staging_sales",
    ]


def test_what_starts_runs_is_off_at_first_and_what_only_watches_is_on(
    repository: RepositoryDefinition,
) -> None:
    schedules = {each.name: each for each in repository.schedule_defs}
    assert {name: (each.cron_schedule, each.job_name) for name, each in schedules.items()} == {
        "reload_sales_nightly": ("0 2 * * *", "reload_sales"),
        "drift_sales": ("17 * * * *", "drift_sales"),
        "drop_expired_staging_daily": ("30 3 * * *", "drop_expired_staging"),
    }
    sensors = {each.name: each for each in repository.sensor_defs}
    assert set(sensors) == {"reload_requests", "find_skipped", "find_validation_failures", "sweeper", "notifier"}
    assert {target.job_name for target in sensors["reload_requests"].targets} == {
        "reload_sales",
        "reload_window_sales",
        "reload_keys_sales",
    }
    assert [each.default_status for each in schedules.values()] == [DefaultScheduleStatus.STOPPED] * 3
    for name in ("reload_requests", "find_skipped", "find_validation_failures"):
        assert sensors[name].default_status is DefaultSensorStatus.STOPPED
    for name in ("sweeper", "notifier"):
        assert sensors[name].default_status is DefaultSensorStatus.RUNNING
        assert sensors[name].targets == []


def test_a_finder_runs_only_if_it_is_switched_on(config: ReloadConfig) -> None:
    finders = config.finders.model_copy(update={"validation": True})
    location = build_code_location(config.model_copy(update={"finders": finders}))
    sensor = location.definitions.resolve_sensor_def("find_validation_failures")
    assert sensor.default_status is DefaultSensorStatus.RUNNING


def test_dagster_keeps_its_storage_in_postgresql_and_tells_nobody() -> None:
    written = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text(encoding="utf-8"))
    database = written["storage"]["postgres"]["postgres_db"]
    assert database["scheme"] == "postgresql+psycopg2"
    assert database["password"] == {"env": "RELOAD_DAGSTER_PASSWORD"}
    assert written["telemetry"] == {"enabled": False}
    assert written["nux"] == {"enabled": False}


def test_what_a_killed_worker_left_behind_is_cleaned_within_a_minute(repository: RepositoryDefinition) -> None:
    monitoring = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text(encoding="utf-8"))["run_monitoring"]
    assert monitoring["enabled"] is True
    # Dagster looks whether a run's process is alive, and fails the run; then the sweeper comes by.
    (sweeper,) = (each for each in repository.sensor_defs if each.name == "sweeper")
    assert sweeper.minimum_interval_seconds == 30
    assert monitoring["poll_interval_seconds"] + sweeper.minimum_interval_seconds <= 45
