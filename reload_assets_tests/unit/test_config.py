"""reload.yaml: each mistake gets one sentence that names file, field, value and fix; secrets stay out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml

from reload_assets.config import model as config
from reload_assets.config.finders import DriftConfig
from reload_assets.config.model import load_config, parse_config
from reload_assets.config.reference import reference
from reload_assets.config.values import Section
from reload_assets.errors import ConfigError
from reload_assets.errors.config import ConfigUnreadable, ConfigValue, ConfigVariableUnset, SecretWithoutKey
from reload_assets.reload.logins import target_login

REFERENCE = (Path(__file__).parents[2] / "reload.yaml").read_text(encoding="utf-8")


def broken(old: str, new: str) -> str:
    assert old in REFERENCE
    with pytest.raises(ConfigError) as caught:
        parse_config(REFERENCE.replace(old, new, 1), "reload.yaml")
    return str(caught.value)


def test_drift_cannot_be_found_without_a_source_connection() -> None:
    document = yaml.safe_load(REFERENCE)
    document["finders"] = {"drift": {}}
    assert parse_config(yaml.safe_dump(document)).finders.drift == DriftConfig()
    del document["source"]["connection"]
    with pytest.raises(ConfigError, match=r"finders\.drift: needs source\.connection; write it"):
        parse_config(yaml.safe_dump(document))


@pytest.mark.parametrize(
    "field",
    [
        "merge.chunk_rows",
        "finders.drift.rows_per_second",
        "finders.drift.keys",
        "finders.limits.keys_per_tick",
        "finders.limits.requests_per_tick",
        "finders.limits.keys_per_day",
        "finders.limits.windows_per_day",
        "finders.limits.rows_per_window",
    ],
)
def test_a_number_that_no_statement_takes_is_refused(field: str) -> None:
    document = yaml.safe_load(REFERENCE)
    *sections, name = field.split(".")
    place = document
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = 10**20
    with pytest.raises(ConfigValue, match=rf"reload\.yaml: {field}: 100000000000000000000 is not accepted"):
        parse_config(yaml.safe_dump(document), "reload.yaml")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("? [a, b]\n: 1", "reload.yaml, line 1, column 3: a list or a mapping is written where a key belongs; fix the"),
        ("source: {{a: 1}: 2}", "reload.yaml, line 1, column 10: a list or a mapping is written where a key belongs"),
        ("a: !!bool perhaps", "reload.yaml, line 1, column 4: 'perhaps' cannot be read as !!bool; fix the YAML there"),
        ("a: !!timestamp soon", "reload.yaml, line 1, column 4: 'soon' cannot be read as !!timestamp"),
        ('target: {staging_schema: "a\\0"}', "reload.yaml, line 1, column 26: a text holds \\0 or half a pair of"),
        ('"\\ud800": 1', "reload.yaml, line 1, column 1: a text holds \\0 or half a pair of surrogates, which no name"),
        ("a: " + "[" * 5000, "reload.yaml: has too many brackets within brackets"),
    ],
)
def test_odd_yaml_is_refused_with_a_sentence(written: str, sentence: str) -> None:
    with pytest.raises(ConfigUnreadable) as caught:
        parse_config(written, "reload.yaml")
    assert sentence in str(caught.value)


def test_the_reference_file_is_read() -> None:
    read = parse_config(REFERENCE)
    assert list(read.groups["sales"].tables) == ["customers", "orders", "order_items", "documents"]
    assert read.windows.first == datetime(2025, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "window_column: updated_at",
            "windw_column: updated_at",
            "groups.sales.tables.customers.windw_column: there is no such field; did you mean 'window_column'?",
        ),
        ("first: 2025-01-01", "first: soon", "reload.yaml: windows.first: 'soon' is not a day; write a day as 2025-"),
        ("time_zone: UTC", "time_zone: Mars", "reload.yaml: source.time_zone: 'Mars' is not a time zone"),
        ("schema: SALES", "schem: SALES", "source.schem: there is no such field; did you mean 'schema'?"),
        (
            "cadence: daily",
            "cadence: daily\n  cadence: hourly",
            "line 45, column 3: the key 'cadence' is written twice",
        ),
        ("source:", "source: [", "reload.yaml, line 7, column 12: "),
        ("  sales:", "  Sales-1:", "groups.Sales-1"),
        ("interval_seconds: 0.2", "interval_seconds: -1", "dms.polling.interval_seconds: -1 is not accepted"),
        ("interval_seconds: 0.2", "interval_seconds: .inf", "dms.polling.interval_seconds: inf is not accepted"),
        (
            "cadence: daily",
            "cadence: daily\n  overlap_minutes: 99999999",
            "windows.overlap_minutes: 99999999 is not accepted",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_mend(old: str, new: str, sentence: str) -> None:
    assert sentence in broken(old, new)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2025-01-01", "2024-12-31T23:00"),
        ("'2025-01-01'", "2024-12-31T23:00"),
        ("2025-07-01T06:00", "2025-07-01T04:00"),
        ("2025-07-01 06:00:00", "2025-07-01T04:00"),
        ("2025-07-01T06:00Z", "2025-07-01T06:00"),
        ("2025-07-01T06:00:00-05:00", "2025-07-01T11:00"),
        # Written twice by the clock: the first time.
        ("2025-10-26T02:30", "2025-10-26T00:30"),
    ],
)
def test_the_first_window_is_in_the_zone_of_the_windows(written: str, instant: str) -> None:
    windows = f"time_zone: Europe/Zurich\n  first: {written}"
    first = parse_config(REFERENCE.replace("first: 2025-01-01", windows)).windows.first
    assert first == datetime.fromisoformat(instant).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        # Numbers and truth values, which could all pass for seconds since 1970.
        ("20250102", "windows.first: 20250102 is not a day; write a day as 2025-01-02, or a time as 2025-01-02T06:00"),
        ("'20250102'", "windows.first: '20250102' is not a day; write a day as 2025-01-02"),
        ("20259999", "windows.first: 20259999 is not a day; write a day as 2025-01-01"),
        ("1735689600", "windows.first: 1735689600 is not a day"),
        ("'1735689600'", "windows.first: '1735689600' is not a day"),
        ("2025.01", "windows.first: 2025.01 is not a day"),
        ("yes", "windows.first: True is not a day"),
        ("12:30:00", "windows.first: 45000 is not a day"),
        ("~", "windows.first: None is not a day"),
        ("2025-1-1", "windows.first: '2025-1-1' is not a day"),
        ("2025-01-01T6:00", "windows.first: '2025-01-01T6:00' is not a day"),
        ("2025-01-01 24:00", "windows.first: '2025-01-01 24:00' is not a day (hour must be in 0..23)"),
        ("01.02.2025", "windows.first: '01.02.2025' is not a day"),
        ("2025-02-30", "line 45, column 10: '2025-02-30' cannot be read (day is out of range for month)"),
        ("0001-01-01", "windows.first: 0001-01-01T00:00:00 is not in the years 1900 to 2199; write the day of the old"),
        ("9999-12-31T23:30-01:00", "windows.first: 9999-12-31T23:30:00-01:00 is not in the years 1900 to 2199"),
    ],
)
def test_what_could_be_taken_for_another_first_window_is_refused(written: str, sentence: str) -> None:
    assert sentence in broken("first: 2025-01-01", f"first: {written}")


def test_a_password_in_the_file_is_refused_and_not_repeated() -> None:
    message = broken("password: {env: RELOAD_TARGET_PASSWORD}", "password: hunter2")
    assert "target.connection.password: a secret is not written in this file" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "    password: {env: RELOAD_TARGET_PASSWORD}\n",
            "",
            "target.connection: password is missing; write it, or sslcert where the client's certificate is enough",
        ),
        (
            "password: {env: RELOAD_TARGET_PASSWORD}",
            "password: {env: P}\n    sslmode: prefer\n    sslrootcert: ca.crt",
            "target.connection: sslmode prefer does not check the server against sslrootcert; write sslmode: verify-",
        ),
        (
            "password: {env: RELOAD_TARGET_PASSWORD}",
            "password: {env: P}\n    sslmode: verify_full",
            "target.connection.sslmode: 'verify_full' is not accepted",
        ),
        (
            "dialect: postgresql",
            "wallet_location: /wallet",
            "source.connection: wallet_location is for an encrypted connection; write protocol: tcps",
        ),
        (
            "dialect: postgresql",
            "dialect: postgresql\n    protocol: tcps",
            "source.connection: protocol is for Oracle; leave it out, or write dialect: oracle",
        ),
        (
            "dialect: postgresql",
            "protocol: tcps\n    wallet_password: hunter2",
            "source.connection.wallet_password: a secret is not written in this file",
        ),
    ],
)
def test_mistakes_about_encryption_are_named(old: str, new: str, sentence: str) -> None:
    message = broken(old, new)
    assert sentence in message
    assert "hunter2" not in message


def test_a_client_certificate_stands_in_for_a_password() -> None:
    read = parse_config(REFERENCE.replace("password: {env: RELOAD_TARGET_PASSWORD}", "sslcert: me.crt", 1))
    assert read.target.connection.password is None


def test_a_table_in_two_groups_is_refused() -> None:
    twice = REFERENCE + "  more:\n    tables:\n      orders: {window_column: updated_at}\n"
    with pytest.raises(ConfigValue, match="groups.more.tables.orders: the table is in group 'sales' too"):
        parse_config(twice)


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        ("      archive: {window_column: updated_at, target: orders}", "sales.tables.archive"),
        (
            "      archive: {window_column: updated_at, target: production.orders, source: ORDERS_OLD}",
            "sales.tables.archive",
        ),
        ("      'production.\"orders\"': {window_column: updated_at}", 'sales.tables.production."orders"'),
        ("  more:\n    tables:\n      archive: {window_column: updated_at, target: orders}", "more.tables.archive"),
    ],
)
def test_two_entries_with_one_production_table_are_refused(entries: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(REFERENCE + entries + "\n")
    assert f"groups.{place}.target: the production table " in str(caught.value)
    assert " is also that of groups.sales.tables.orders" in str(caught.value)
    assert "give each source table its own production table, and unite them in a view" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{}", "columns: it names no column; leave the field out"),
        ("[]", "columns: it names no column; leave the field out"),
        ("[order_id, {a: B, c: D}]", "columns: an item of the list is a column of production, or one pair"),
        ("[order_id, order_id: ID]", "columns: 'order_id' is written twice"),
        ("{a: ID, b: ID}", "columns: 'ID' is written twice; each column is loaded from one column"),
        ("[{a: ID}, {b: ID}]", "columns: 'ID' is written twice"),
    ],
)
def test_columns_that_make_no_pairs_are_refused(written: str, sentence: str) -> None:
    entry = f"      archive: {{window_column: updated_at, columns: {written}}}\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(REFERENCE + entry)
    assert f"groups.sales.tables.archive.{sentence}" in str(caught.value)


def test_two_entries_for_two_sources_and_two_targets_are_fine() -> None:
    read = parse_config(REFERENCE + "      archive: {window_column: updated_at, target: orders_archive}\n")
    assert read.groups["sales"].tables["archive"].target == "orders_archive"


def test_tables_are_in_the_schemas_that_they_name() -> None:
    read = parse_config(
        REFERENCE
        + "      archive: {window_column: updated_at, target: old.orders, source: ARCHIVE.ORDERS}\n"
        + "      billing.invoices: {window_column: updated_at}\n"
        + """      dotted: {window_column: updated_at, target: 'public."a.b"', source: '"A.""B"'}\n"""
    )
    names = {
        name: (read.source_of("sales", name), read.target_of("sales", name)) for name in read.groups["sales"].tables
    }
    assert names["orders"] == (("SALES", "ORDERS"), ("production", "orders"))
    assert names["archive"] == (("ARCHIVE", "ORDERS"), ("old", "orders"))
    assert names["billing.invoices"] == (("BILLING", "INVOICES"), ("billing", "invoices"))
    assert names["dotted"] == (("SALES", 'A."B'), ("public", "a.b"))


@pytest.mark.parametrize("name", ["a.b.c", ".a", "a.", "", '"a', '"a"b', "."])
@pytest.mark.parametrize("field", ["source", "target", "key"])
def test_what_is_no_name_of_a_table_is_refused(name: str, field: str) -> None:
    document = yaml.safe_load(REFERENCE)
    tables = document["groups"]["sales"]["tables"]
    if field == "key":
        tables[name] = {"window_column": "updated_at"}
    else:
        tables["orders"][field] = name
    with pytest.raises(ConfigError, match="is not the name of a table; write NAME or SCHEMA.NAME"):
        parse_config(yaml.safe_dump(document))


def test_one_source_table_in_two_entries_of_a_group_is_refused_and_in_two_groups_it_is_not() -> None:
    entry = "archive: {window_column: updated_at, source: SALES.ORDERS}\n"
    with pytest.raises(
        ConfigError, match=r"archive\.source: the source table SALES\.ORDERS is also that of groups\.sales\.tab"
    ):
        parse_config(f"{REFERENCE}      {entry}")
    parse_config(f"{REFERENCE}  more:\n    tables:\n      {entry}")


@pytest.mark.parametrize("written", ["", "- a list", "just text"])
def test_a_file_that_is_no_mapping_is_refused(written: str) -> None:
    with pytest.raises(ConfigUnreadable):
        parse_config(written)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnreadable, match=r"nowhere.yaml: No such file.*RELOAD_CONFIG"):
        load_config(tmp_path / "nowhere.yaml")


def sections(base: type[Section]) -> list[type[Section]]:
    """The parts of the file, of whatever module."""
    return [model for one in base.__subclasses__() for model in (one, *sections(one))]


def test_every_field_is_described() -> None:
    models = sections(Section)
    assert len(models) > 10
    silent = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert silent == []


def test_the_reference_in_docs_is_that_of_the_models() -> None:
    assert (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELOAD_TARGET_HOST", raising=False)
    with pytest.raises(ConfigVariableUnset, match="target.connection.host: .*RELOAD_TARGET_HOST"):
        target_login(parse_config(REFERENCE), str)


@pytest.fixture
def with_secret(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], config.ReloadConfig]:
    for name in ("HOST", "USER", "DATABASE"):
        monkeypatch.setenv(f"RELOAD_TARGET_{name}", "x")
    monkeypatch.setenv("RELOAD_TARGET_PORT", "5432")

    def make(reference: str) -> config.ReloadConfig:
        return parse_config(REFERENCE.replace("{env: RELOAD_TARGET_PASSWORD}", reference, 1))

    return make


def test_a_password_comes_from_a_json_secret(with_secret: Callable[[str], config.ReloadConfig]) -> None:
    made = target_login(with_secret("{secret: prod/pg, key: password}"), lambda name: '{"password": "s3cret"}')
    assert made.password == "s3cret"
    assert "s3cret" not in repr(made) + str(made)


def test_a_secret_without_the_key_is_named_and_not_shown(with_secret: Callable[[str], config.ReloadConfig]) -> None:
    with pytest.raises(SecretWithoutKey, match="'prod/pg' .*'passwd'") as caught:
        target_login(with_secret("{secret: prod/pg, key: passwd}"), lambda name: '{"password": "s3cret"}')
    assert "s3cret" not in str(caught.value)


def test_a_port_that_is_no_port_is_refused(
    with_secret: Callable[[str], config.ReloadConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELOAD_TARGET_PORT", "99999")
    with pytest.raises(ConfigValue, match="target.connection.port: '99999'"):
        target_login(with_secret("{secret: whole}"), lambda name: "s3cret")


PLAIN = "{env: RELOAD_TARGET_PASSWORD}"


def test_what_encrypts_the_targets_connection_is_handed_to_libpq(
    with_secret: Callable[[str], config.ReloadConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("me.crt", "me.key"):
        (tmp_path / name).touch()
    monkeypatch.setenv("KEY", str(tmp_path / "me.key"))
    fields = f"sslmode: verify-full, sslrootcert: system, sslcert: {tmp_path}/me.crt, sslkey: {{env: KEY}}"
    written = REFERENCE.replace(f"    password: {PLAIN}\n", "    " + fields.replace(", ", "\n    ") + "\n", 1)
    made = target_login(parse_config(written), str)
    assert made.password is None
    assert made.tls == {
        "sslmode": "verify-full",
        "sslrootcert": "system",
        "sslcert": str(tmp_path / "me.crt"),
        "sslkey": str(tmp_path / "me.key"),
    }
    monkeypatch.setenv("RELOAD_TARGET_PASSWORD", "p")
    assert target_login(parse_config(REFERENCE), str).tls == {}


@pytest.mark.parametrize("field", ["sslrootcert", "sslcert", "sslkey"])
def test_a_file_that_is_not_there_is_named_by_its_field(
    with_secret: Callable[[str], config.ReloadConfig], tmp_path: Path, field: str
) -> None:
    """libpq would go on without a certificate that is not there, and then ask for a password."""
    made = with_secret(f"{{secret: whole}}\n    {field}: {tmp_path}/nowhere")
    with pytest.raises(ConfigValue, match=rf"target.connection.{field}: '.*/nowhere' is not a file that this process"):
        target_login(made, lambda name: "s3cret")
