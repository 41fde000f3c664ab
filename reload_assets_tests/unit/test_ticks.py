"""What the Dagster UI shows of a sensor's tick that failed."""

from __future__ import annotations

from pathlib import Path

import yaml
from dagster import DagsterInstance
from dagster._core.remote_origin import RegisteredCodeLocationOrigin
from dagster._core.remote_representation.external_data import SensorExecutionErrorSnap
from dagster._grpc.impl import get_external_sensor_execution

from reload_assets.code_location import build_code_location
from reload_assets.config.model import load_config
from reload_assets.errors import code_of

CHECKOUT = Path(__file__).parents[2]
NOBODY = {"host": "127.0.0.1", "port": 1, "database": "sales", "user": "reload_job", "password": {"env": "HOME"}}
CODES = {
    "reload_requests": "target-unreachable",
    "find_skipped": "target-unreachable",
    "sweeper": "sweep-incomplete",
    "notifier": "target-unreachable",
    # Without the section cdc nobody knows where DMS writes.
    "find_validation_failures": "config-value",
}


def test_a_tick_that_fails_shows_one_sentence_with_its_code(tmp_path: Path) -> None:
    document = yaml.safe_load((CHECKOUT / "reload.yaml").read_text(encoding="utf-8"))
    document["target"]["connection"] = NOBODY
    for name in ("replication_instance", "source_endpoint", "target_endpoint"):
        document["dms"][f"{name}_arn"] = f"arn:aws:dms:us-east-1:0:{name}:X"
    document["dms"]["endpoint_url"] = "http://127.0.0.1:1"
    del document["cdc"]
    file = tmp_path / "reload.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    repository = build_code_location(load_config(file)).definitions.get_repository_def()
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        for name, code in CODES.items():
            # Dagster's code server answers the daemon with this.
            answer = get_external_sensor_execution(
                repository, RegisteredCodeLocationOrigin("here"), instance.get_ref(), name, None, None, None, None, None
            )
            assert isinstance(answer, SensorExecutionErrorSnap)
            assert answer.error is not None
            said = answer.error
            assert (said.stack, said.cause, said.context) == ([], None, None)
            assert said.message.count("\n") == 1
            assert code_of(said.message) == code
