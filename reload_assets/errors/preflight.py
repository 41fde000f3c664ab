"""Errors of what a reload needs of the target: rights, the ledger, and the role that DMS logs in as."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.errors import ConfigError, LedgerError, TargetError, sample

_LOGIN = "postgresql prod.example:5432/app as reload_job"


class RightsMissing(TargetError):
    """The login of `target.connection` lacks rights that a reload needs."""

    code = "rights-missing"
    advice = "Run the GRANT statements of the message, or `sql/roles/create_job_role.sql` again."
    example = sample(
        login=_LOGIN,
        missing=("INSERT, DELETE on production.orders",),
        commands=("GRANT INSERT, DELETE ON TABLE production.orders TO reload_job",),
    )

    def __init__(self, login: str, missing: Sequence[str], commands: Sequence[str]) -> None:
        super().__init__(f"{login} lacks {'; '.join(missing)}; run: {'; '.join(commands)}.")


class RelatedRowsHidden(TargetError):
    """Row security hides rows of a table to which a production table refers, or whose rows would follow its own."""

    code = "related-rows-hidden"
    advice = "`ALTER ROLE ... BYPASSRLS` for the login of `target.connection`, or make it the table's owner."
    example = sample(login=_LOGIN, table="production.orders", hiding=("production.customers",))

    def __init__(self, login: str, table: str, hiding: Sequence[str]) -> None:
        super().__init__(
            f"{login} does not see every row of {', '.join(hiding)}, because row security applies to it there, and "
            f"foreign keys tie these rows to those of {table}: parents that it hides would count as missing, and rows "
            "that it hides could change unseen; give the login BYPASSRLS, or make it the table's owner."
        )


class StagingRefused(TargetError):
    """The login of `target.connection` cannot make, fill and empty the tables of a reload."""

    code = "staging-refused"
    advice = (
        "Fix the cause that PostgreSQL names: the schema in `target.staging_schema`, an event trigger, or default "
        "privileges."
    )
    example = sample(login=_LOGIN, schema="staging", table="production.orders", said='schema "staging" does not exist')

    def __init__(self, login: str, schema: str, table: str, said: str) -> None:
        super().__init__(
            f"{login} cannot make and use the tables of a reload of {table} in the schema {schema} "
            f"(target.staging_schema): PostgreSQL says {said!r}; fix that, or run reload-assets install if the schema "
            "is missing."
        )


class ConnectionsLimited(TargetError):
    """The login of `target.connection`, or its database, may have fewer sessions at once than a reload needs."""

    code = "connections-limited"
    advice = "`ALTER ROLE ... CONNECTION LIMIT` or `ALTER DATABASE ... CONNECTION LIMIT` with a higher number, or -1."
    example = sample(login=_LOGIN, whose="the login", limit=2, needed=5, command="ALTER ROLE reload_job")

    def __init__(self, login: str, whose: str, limit: int, needed: int, command: str) -> None:
        super().__init__(
            f"{login}: {whose} may have {limit} sessions at once, and a reload needs up to {needed}; run: {command} "
            "CONNECTION LIMIT -1, or a higher number."
        )


class LedgerOutdated(LedgerError):
    """The schema `admin` is that of an older version."""

    code = "ledger-outdated"
    advice = "Run `reload-assets install`, which upgrades the schema and keeps what is in it."
    example = sample(login=_LOGIN, lacking=("ddl/0008_conversions",))

    def __init__(self, login: str, lacking: Sequence[str]) -> None:
        super().__init__(
            f"The schema admin of {login} is that of an older version (it lacks {', '.join(lacking)}); run "
            "reload-assets install."
        )


class LoadRoleUnknown(ConfigError):
    """`target.load_role` names a role that the target does not have."""

    code = "load-role-unknown"
    advice = "Create the role with `sql/roles/create_job_role.sql`, or fix the name."
    example = sample(place="reload.yaml: target.load_role", role="reload_laod")

    def __init__(self, place: str, role: str) -> None:
        super().__init__(place, f"the target has no role {role!r}; create it, or fix the name")


class LoadRoleMismatch(ConfigError):
    """DMS logs in to the target as another role than the one to which staging tables are granted."""

    code = "load-role-mismatch"
    advice = "Write the user of the target endpoint into `target.load_role`, or give the endpoint this user."
    example = sample(place="reload.yaml: target.load_role", role="reload_job", dms_login="dms_user")

    def __init__(self, place: str, role: str, dms_login: str) -> None:
        super().__init__(
            place,
            f"staging tables are granted to {role!r}, but DMS logs in as {dms_login!r}, the user of the target "
            f"endpoint; write load_role: {dms_login}, or change the endpoint's user",
        )
