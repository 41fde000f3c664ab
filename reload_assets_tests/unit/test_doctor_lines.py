"""The lines of ``reload-assets doctor``, and what it makes of versions, addresses, clocks and exceptions."""

from __future__ import annotations

import pytest
from psycopg.errors import QueryCanceled, SyntaxError

from reload_assets.cdc.position import Readiness
from reload_assets.cli.doctor import shown
from reload_assets.errors.config import ConfigMissingField, ConfigMistakes, ConfigValue
from reload_assets.errors.target import TargetVersion
from reload_assets.postgres.connection import require_version
from reload_assets.preflight.cdc import clocks_apart
from reload_assets.preflight.codes import FINDINGS
from reload_assets.preflight.dms import look_at_instance
from reload_assets.preflight.finding import Finding, Findings, found
from reload_assets.preflight.network import look_at_encryption

LONG = found("transaction-long", "target", "one\ntwo " + "and " * 30 + "ALTER-SYSTEM-SET", "end it")


def test_a_finding_is_one_line_and_wraps_at_words_on_a_terminal() -> None:
    line = shown(LONG, None)
    assert line.startswith("warn    one two and ")
    assert line.endswith("; end it. [transaction-long]")
    assert "\n" not in line
    first, *others = shown(LONG, 60).splitlines()
    assert max(map(len, (first, *others))) <= 60
    assert all(other.startswith(" " * 8 + "and") for other in others[:-1])
    assert " ".join([first, *(other.strip() for other in others)]) == line
    # What is longer than the terminal is wide stays whole, because it may be a command.
    assert shown(Finding("ok", "a-b", "target", "x" * 90), 60).count("x" * 90) == 1


def test_whatever_is_raised_is_a_finding_and_none_is_there_twice() -> None:
    findings = Findings(lambda finding: None)
    mistakes = [ConfigMissingField("reload.yaml: a", "is missing"), ConfigValue("reload.yaml: b", "is odd")]
    for raised in (ConfigMistakes("reload.yaml", mistakes), QueryCanceled("slow"), SyntaxError("odd"), KeyError("x")):
        for _ in range(2):
            with findings.looking("target"):
                raise raised
    wanted = ["config-missing-field", "config-value", "look-timed-out", "look-refused", "look-failed"]
    assert [one.code for one in findings.all] == wanted
    assert (findings.problems, findings.count("warn")) == (4, 1)


def test_every_problem_and_warning_of_its_own_says_when() -> None:
    assert [code for code, one in FINDINGS.items() if not one.when.endswith(".")] == []


@pytest.mark.parametrize(
    ("host", "encrypted", "codes"),
    [
        ("db.example", False, ["not-encrypted"]),
        ("10.0.0.7", False, ["not-encrypted"]),
        ("db.example", True, []),
        ("127.0.0.1", False, []),
        ("::1", False, []),
        ("localhost", False, []),
        ("/var/run/postgresql", False, []),
    ],
)
def test_a_connection_over_the_network_has_to_be_encrypted(host: str, encrypted: bool, codes: list[str]) -> None:
    said = look_at_encryption("target", "reload@db", host, encrypted=encrypted, fix="encrypt it")
    assert [one.code for one in said] == codes


def test_a_server_that_is_too_old_is_named_with_its_version() -> None:
    require_version("reload@db", 150004, "15.4")
    with pytest.raises(TargetVersion, match=r"reload@db is PostgreSQL 14\.17, and a reload needs 15 or later"):
        require_version("reload@db", 140017, "14.17")


@pytest.mark.parametrize(
    ("version", "postgres", "code"),
    [
        ("3.5.2", 16, "engine-version-old"),
        ("3.5.3", 16, "instance-ready"),
        ("3.10.0", 18, "instance-ready"),
        ("3.5.2", None, "instance-ready"),
        # Nothing is known of a version that is still to come.
        ("3.5.2", 99, "instance-ready"),
    ],
)
def test_the_engine_has_to_know_the_targets_version(version: str, postgres: int | None, code: str) -> None:
    (said,) = look_at_instance({"ReplicationInstanceIdentifier": "local", "EngineVersion": version}, postgres)
    assert said.code == code


def test_clocks_that_differ_by_more_than_the_margin_are_a_warning() -> None:
    def apart(offset: float | None, margin: float) -> str | None:
        said = clocks_apart(Readiness("arn", "running", 0.0, offset), margin)
        return said.text.partition(",")[0] if said else None

    assert apart(None, 0) is apart(0.9, 0) is apart(-4.0, 5) is None
    assert apart(-7.0, 5) == "cdc: the target's clock is 7.0 s behind the source's"
    assert apart(7.0, 5) == "cdc: the target's clock is 7.0 s ahead of the source's"
