"""The logins of ``reload.yaml``: how each database is reached, and how that connection is encrypted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reload_assets.config.values import YEAR_SECONDS, Number, Secret, Section, Text


class _Login(Section):
    host: Text = Field(description="Host name or address.")
    port: Number = Field(description="TCP port.")
    database: Text = Field(description="Database name (PostgreSQL) or service name (Oracle).")
    user: Text = Field(description="User to log in as.")


class TargetConnection(_Login):
    """How to reach PostgreSQL: the server itself, not a connection pooler. Files are read where Dagster's code runs."""

    password: Secret | None = Field(
        None,
        description="Where the password is: {env: NAME} or {secret: NAME, key: KEY}. May be left out with sslcert.",
    )
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        None,
        description="How the connection is encrypted; only verify-full proves the server. Left out: the variable "
        "PGSSLMODE, or prefer.",
    )
    sslrootcert: Text | None = Field(
        None,
        description="File of the authorities that the server's certificate is checked against, or system. Left out: "
        "the variable PGSSLROOTCERT, or ~/.postgresql/root.crt.",
    )
    sslcert: Text | None = Field(
        None, description="File of the client's certificate. Left out: the variable PGSSLCERT, or none."
    )
    sslkey: Text | None = Field(
        None, description="File of the client certificate's key, unencrypted. Left out: the variable PGSSLKEY, or none."
    )

    @model_validator(mode="after")
    def _something_logs_in(self) -> TargetConnection:
        if self.password is None and self.sslcert is None:
            raise ValueError("password is missing; write it, or sslcert where the client's certificate is enough")
        return self

    @model_validator(mode="after")
    def _authorities_are_used(self) -> TargetConnection:
        if self.sslrootcert is not None and self.sslmode in ("disable", "allow", "prefer"):
            raise ValueError(
                f"sslmode {self.sslmode} does not check the server against sslrootcert; write sslmode: verify-full"
            )
        return self


class SourceConnection(_Login):
    """How to read the source. Without it, the checks that need the source report 'could not verify'."""

    password: Secret = Field(description="Where the password is: {env: NAME} or {secret: NAME, key: KEY}.")
    dialect: Literal["oracle", "postgresql"] = Field(
        "oracle", description="oracle, or postgresql for a source that looks like Oracle (the local stand-in)."
    )
    protocol: Literal["tcp", "tcps"] = Field("tcp", description="tcps encrypts the connection to Oracle with TLS.")
    wallet_location: Text | None = Field(
        None,
        description="Folder of the wallet (ewallet.pem) with Oracle's authorities and, where it asks for one, the "
        "client's certificate. Left out: the authorities of the system.",
    )
    wallet_password: Secret | None = Field(None, description="Where the password of the wallet is, if it has one.")
    ssl_server_dn_match: bool = Field(
        True, description="Whether the name in Oracle's certificate must be host, or ssl_server_cert_dn."
    )
    ssl_server_cert_dn: str | None = Field(
        None, description="The distinguished name that Oracle's certificate must have; by default one of the host."
    )
    call_timeout_seconds: float = Field(
        3600,
        gt=0,
        le=YEAR_SECONDS,
        description="Longest time that one call to the source may take; one call sums up a window.",
    )

    @model_validator(mode="after")
    def _tls_is_asked_for(self) -> SourceConnection:
        tls = ("wallet_location", "wallet_password", "ssl_server_dn_match", "ssl_server_cert_dn")
        written = [name for name in tls if name in self.model_fields_set]
        if self.dialect != "oracle" and (written or self.protocol == "tcps"):
            raise ValueError(f"{(*written, 'protocol')[0]} is for Oracle; leave it out, or write dialect: oracle")
        if self.protocol != "tcps" and written:
            raise ValueError(f"{written[0]} is for an encrypted connection; write protocol: tcps")
        return self
