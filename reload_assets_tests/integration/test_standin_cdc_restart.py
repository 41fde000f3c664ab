"""A CDC task outlives whatever is killed under load: the stand-in's process, the source's server, the target's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from reload_assets.local.dms import DmsStandIn
from reload_assets.local.dms.changelog import ChangeLog
from reload_assets.local.postgres import PostgresServer, free_port
from reload_assets_tests.integration.standin_bench import LOWERCASE, Bench, mapping, selection
from reload_assets_tests.integration.standin_cdc_bench import CdcBench, Load, opened, prepare, quick

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A source and a target server that may be killed."""
    root = Path(tempfile.mkdtemp(prefix="reload-test-"))
    root.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        source, target = [stack.enter_context(PostgresServer(root / name)) for name in ("source", "target")]
        yield source, target


@pytest.fixture
def urls(servers: tuple[PostgresServer, PostgresServer]) -> tuple[str, str]:
    found = servers[0].url(), servers[1].url()
    prepare(found)
    return found


class Process:
    """The stand-in as a process of its own, with a state file, on one port through all of its lives."""

    def __init__(self, state: Path) -> None:
        self._command = [sys.executable, "-m", "reload_assets.local.dms", "--port", str(free_port())]
        self._command += ["--state", str(state), "--parent-death"]
        self.url = ""
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ}
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:")

    def end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.communicate(timeout=20)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path / "dms.json")
    yield started
    started.end(signal.SIGKILL)


def test_the_stand_in_is_killed(urls: tuple[str, str], process: Process, tmp_path: Path) -> None:
    bench = Bench(process.url, *urls)
    bench.test_connections()
    cdc = CdcBench(bench).start()
    assert stat.S_IMODE((tmp_path / "dms.json").stat().st_mode) == 0o600, "it holds logins"
    with Load(urls[0]) as load:
        for number in range(2):
            time.sleep(0.25 + 0.07 * number)
            process.end(signal.SIGKILL)
            process.start()
            assert cdc.bench.wait(cdc.arn, "running")["Status"] == "running", "nobody resumes it"
            assert [endpoint["EndpointIdentifier"] for endpoint in bench.client.describe_endpoints()["Endpoints"]] == [
                "bench-source",
                "bench-target",
            ]
    assert load.commits > 50
    cdc.settle()
    cdc.assert_equal()
    cdc.stop()
    bench.client.delete_replication_task(ReplicationTaskArn=cdc.arn)
    deadline = time.monotonic() + 10
    while cdc.ask_source("SELECT slot_name FROM pg_replication_slots"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cdc.close()


def test_a_restart_in_good_order_keeps_every_task_as_it_was(urls: tuple[str, str], tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "dms.json"
    with quick(port=port, state=state) as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench).start()
        cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
        bench.client.add_tags_to_resource(ResourceArn=cdc.arn, Tags=[{"Key": "run", "Value": "1"}])
        described = bench.task(cdc.arn)
    cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (2)""")
    with quick(port=port, state=state):
        bench.wait(cdc.arn, "running")
        cdc.settle()
        cdc.assert_equal()
        assert bench.client.list_tags_for_resource(ResourceArn=cdc.arn)["TagList"] == [{"Key": "run", "Value": "1"}]
        for same in ("ReplicationTaskStartDate", "ReplicationTaskSettings", "TableMappings"):
            assert bench.task(cdc.arn)[same] == described[same]
        assert cdc.stop()["StopReason"] == "Stop Reason NORMAL"
    with quick(port=port, state=state):
        assert bench.task(cdc.arn)["Status"] == "stopped", "what was stopped stays stopped"
        cdc.start("resume-processing").stop()
        bench.client.delete_replication_task(ReplicationTaskArn=cdc.arn)
    with quick(port=port, state=state):
        waiter = bench.client.get_waiter("replication_task_deleted")
        by_arn = [{"Name": "replication-task-arn", "Values": [cdc.arn]}]
        waiter.wait(Filters=by_arn, WaiterConfig={"Delay": 0.02, "MaxAttempts": 100})
        assert cdc.ask_source("SELECT slot_name FROM pg_replication_slots") == []
    cdc.close()


@pytest.mark.parametrize("killed", ["source", "target"])
def test_a_server_is_killed(servers: tuple[PostgresServer, PostgresServer], urls: tuple[str, str], killed: str) -> None:
    server = servers[("source", "target").index(killed)]
    with quick() as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench).start()
        with Load(urls[0]) as load:
            for number in range(3):
                time.sleep(0.25 + 0.06 * number)
                server.kill()
                time.sleep(0.15)
                assert bench.task(cdc.arn)["Status"] == "running"
                server.start()
            time.sleep(0.2)
        assert load.commits > 50
        cdc.close()
        cdc.source, cdc.target = [psycopg.connect(url, autocommit=True) for url in urls]
        cdc.settle()
        cdc.assert_equal()
        cdc.close()


def test_a_task_is_started_while_its_target_is_away(
    servers: tuple[PostgresServer, PostgresServer], urls: tuple[str, str]
) -> None:
    with quick() as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench)
        servers[1].kill()
        bench.start(cdc.arn)
        time.sleep(0.2)
        assert bench.task(cdc.arn)["Status"] == "starting"
        servers[1].start()
        bench.wait(cdc.arn, "running")
        cdc.target = psycopg.connect(urls[1], autocommit=True)
        cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
        cdc.assert_equal()
        cdc.close()


def test_a_second_session_waits_for_the_one_that_was_cut_off(urls: tuple[str, str]) -> None:
    """A session whose client died may still commit: until it is gone nobody else applies."""
    with quick() as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench).start()
        cdc.apply("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
        cdc.stop()
        [(slot,)] = cdc.ask("SELECT slot FROM dmslogs.awsdms_txn_state")
        with psycopg.connect(urls[1], autocommit=True) as left_over:
            left_over.execute("SELECT pg_advisory_lock(hashtext('awsdms task'), hashtext(%s))", (slot,))
            cdc.start("resume-processing")
            cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (2)""")
            time.sleep(0.3)
            assert len(cdc.items()) == 1
        cdc.settle()
        cdc.assert_equal()
        cdc.close()


def test_the_checkpoint_belongs_to_the_transaction_that_it_is_about(urls: tuple[str, str]) -> None:
    with quick() as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench).start()
        for number in range(3):
            cdc.apply(f"""INSERT INTO "SALES"."ITEMS" VALUES ({number})""")
            xids = cdc.ask("SELECT xid::xid FROM production.log ORDER BY n DESC LIMIT 1")
            assert cdc.ask("SELECT xmin FROM dmslogs.awsdms_txn_state") == xids
        cdc.close()


def test_a_transaction_that_stays_open_does_not_hold_up_the_position(
    urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here nobody else commits on the source, or makes it flush what the transaction has written."""
    monkeypatch.setattr(ChangeLog, "shorten", lambda log: None)
    with quick() as dms, opened(dms, urls) as bench, psycopg.connect(urls[0]) as other:
        cdc = CdcBench(bench).start()
        other.execute("""INSERT INTO "SALES"."ITEMS" VALUES (1)""")
        cdc.write("""INSERT INTO "SALES"."ITEMS" VALUES (2)""")
        other.execute("""INSERT INTO "SALES"."ITEMS" VALUES (3)""")
        began = time.monotonic()
        cdc.settle()
        assert time.monotonic() - began < 2
        assert [row[0] for row in cdc.items()] == [2]
        other.commit()
        cdc.settle()
        assert [row[0] for row in cdc.items()] == [1, 2, 3]
        cdc.close()


def test_a_slot_that_is_gone_fails_the_task_instead_of_losing_changes(urls: tuple[str, str]) -> None:
    with quick() as dms, opened(dms, urls) as bench:
        cdc = CdcBench(bench).start()
        cdc.stop()
        cdc.ask_source("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        bench.start(cdc.arn, "resume-processing")
        assert "is gone, and the changes since the stop" in bench.wait(cdc.arn, "failed")["LastFailureMessage"]
        cdc.close()


def test_a_load_that_was_killed_is_failed_after_the_restart(
    urls: tuple[str, str], process: Process, tmp_path: Path
) -> None:
    bench = Bench(process.url, *urls)
    bench.test_connections()
    with psycopg.connect(urls[0], autocommit=True) as source:
        source.execute("""INSERT INTO "SALES"."ITEMS" SELECT g FROM generate_series(1, 1000) AS g""")
    with psycopg.connect(urls[1]) as target:
        target.execute("DROP SCHEMA IF EXISTS staging CASCADE; CREATE SCHEMA staging")
        target.commit()
        arn = bench.create(mapping(selection(1, "ITEMS"), *LOWERCASE))
        # A load that cannot get at its schema hangs.
        target.execute("LOCK pg_catalog.pg_namespace IN ACCESS EXCLUSIVE MODE")
        bench.start(arn)
        bench.wait(arn, "running")
        process.end(signal.SIGKILL)
    process.start()
    failed = bench.task(arn)
    assert failed["Status"] == "failed"
    assert "was restarted during the load" in failed["LastFailureMessage"]
    state = json.loads((tmp_path / "dms.json").read_text())
    assert state["tasks"][0]["status"] == "failed"


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"endpoints": [{"name": "?"}]}'])
def test_another_kind_of_file_is_no_state(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a state of the DMS stand-in"):
        DmsStandIn(state=path)
    assert path.read_text() == text
