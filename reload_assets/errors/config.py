"""Errors of ``reload.yaml``: the file, its fields, and the secrets and variables that it refers to."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.errors import ConfigError, sample


class ConfigUnreadable(ConfigError):
    """The file is missing, or is not a YAML mapping."""

    code = "config-unreadable"
    advice = "Name the file in `RELOAD_CONFIG` or `--config`, or fix its YAML at the line and column of the message."
    example = sample(
        place="reload.yaml, line 7, column 12", problem="the key 'cadence' is written twice; fix the YAML there"
    )


class ConfigUnknownField(ConfigError):
    """The file has a field that the configuration does not know."""

    code = "config-unknown-field"
    advice = "Correct the name; `docs/configuration.md` lists all fields."
    example = sample(
        place="reload.yaml: groups.sales.tables.orders.windw_column",
        problem="there is no such field; did you mean 'window_column'?",
    )


class ConfigMissingField(ConfigError):
    """A required field is not in the file."""

    code = "config-missing-field"
    advice = "Add the field; `docs/configuration.md` says what it is for."
    example = sample(place="reload.yaml: dms.region", problem="is missing; write it in the file")


class ConfigValue(ConfigError):
    """A field has a value that is not allowed, or that contradicts another field."""

    code = "config-value"
    advice = "Use a value that the message or `docs/configuration.md` allows."
    example = sample(
        place="reload.yaml: target.connection.port", problem="'99999' is not a TCP port; write a number from 1 to 65535"
    )


class ConfigMistakes(ConfigError):
    """Several fields of the file are wrong. Each has its own line, with its own code."""

    code = "config-mistakes"
    advice = "Fix the field that each line names; look up the line's code on this page."
    example = sample(
        place="reload.yaml",
        mistakes=(
            ConfigMissingField(**ConfigMissingField.example),
            ConfigValue(**ConfigValue.example),
        ),
    )

    def __init__(self, place: str, mistakes: Sequence[ConfigError]) -> None:
        super().__init__(place, f"{len(mistakes)} fields are wrong")
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self.mistakes)])


class ConfigFileExists(ConfigError):
    """`reload-assets init` would overwrite a file."""

    code = "config-file-exists"
    advice = "Name another file with `--output`, or write to standard output with `--output -`."
    example = sample(place="reload.yaml")

    def __init__(self, place: str) -> None:
        super().__init__(place, "exists already, and nothing is overwritten; name another file with --output, or -")


class ConfigFileUnwritable(ConfigError):
    """`reload-assets init` cannot write its file."""

    code = "config-file-unwritable"
    advice = "Name a file in a folder that exists and that you may write to with `--output`."
    example = sample(place="conf/reload.yaml", reason="No such file or directory")

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, f"cannot be written ({reason}); name another file with --output, or -")


class NothingToPropose(ConfigError):
    """`reload-assets init` found no table that a reload could take."""

    code = "nothing-to-propose"
    advice = (
        "Check `--source-schema` and `--target-schema`. A table needs a key on both sides, and a DATE or TIMESTAMP of "
        "the source that is a `timestamp` in production."
    )
    example = sample(place="SALES -> production", why="SALES.ORDERS: production has no table of this name")

    def __init__(self, place: str, why: str) -> None:
        super().__init__(place, f"no table can be reloaded: {why}; check --source-schema and --target-schema")


class SlackMissing(ConfigError):
    """`notify.slack` is configured, and the package for Slack is not installed."""

    code = "slack-missing"
    advice = "Install it where Dagster's code location runs, or leave out `notify.slack`."
    example = sample()

    def __init__(self) -> None:
        super().__init__("notify.slack", "needs the package dagster-slack: pip install 'reload_assets[slack]'")


class OwnerInvalid(ConfigError):
    """An owner of a group is neither an e-mail address nor a team, and Dagster takes nothing else."""

    code = "owner-invalid"
    advice = "Write `team:` before the name of a team; the group is left out of Dagster until then."
    example = sample(place="reload.yaml: groups.sales.owners", owner="alice")

    def __init__(self, place: str, owner: str) -> None:
        super().__init__(
            place, f"{owner!r} is neither an e-mail address nor team:NAME; write one such as team:{owner or 'data'}"
        )


class GroupNameTaken(ConfigError):
    """A group's job would have the name of another group's: `reload_window_x` is that of the ad-hoc windows of `x`."""

    code = "group-name-taken"
    advice = "Rename one of the two groups; the second is left out of Dagster until then."
    example = sample(place="reload.yaml: groups.window_sales", job="reload_window_sales", other="sales")

    def __init__(self, place: str, job: str, other: str) -> None:
        super().__init__(
            place, f"its job would have the name {job}, as one of the group {other!r} has; rename one of the two groups"
        )


class GroupUnbuildable(ConfigError):
    """Dagster does not take a group's assets, checks or jobs."""

    code = "group-unbuildable"
    advice = "Change what Dagster's own words name; the group is left out of Dagster until then."
    example = sample(place="reload.yaml: groups.sales", said="Duplicate asset key: AssetKey(['staging', 'orders'])")

    def __init__(self, place: str, said: str) -> None:
        super().__init__(place, f"Dagster does not take the group: {said.rstrip('.')}; change what it names")


class ConfigVariableUnset(ConfigError):
    """An environment variable that the file names with `{env: NAME}` is not set, or is empty."""

    code = "config-variable-unset"
    advice = "Set the variable where Dagster's code location runs, not only in your shell."
    example = sample(place="reload.yaml: target.connection.host", variable="RELOAD_TARGET_HOST")

    def __init__(self, place: str, variable: str) -> None:
        super().__init__(place, f"the environment variable {variable} is not set; set it and try again")


class SecretUnreadable(ConfigError):
    """AWS Secrets Manager did not return a secret that the file names with `{secret: NAME}`."""

    code = "secret-unreadable"
    advice = "Check the secret's name, `dms.region`, and that this role may call `secretsmanager:GetSecretValue`."
    example = sample(
        place="reload.yaml: target.connection.password", secret="prod/pg", reason="ResourceNotFoundException"
    )

    def __init__(self, place: str, secret: str, reason: str) -> None:
        super().__init__(
            place,
            f"the secret {secret!r} cannot be read from AWS Secrets Manager ({reason}); check its name, the region "
            "and the rights of this role",
        )


class SecretWithoutKey(ConfigError):
    """A secret is not a JSON document, or the document lacks the key that the file names."""

    code = "secret-without-key"
    advice = "Fix `key` in `reload.yaml`, or the secret. Without `key`, the whole secret is the password."
    example = sample(place="reload.yaml: target.connection.password", secret="prod/pg", key="password")

    def __init__(self, place: str, secret: str, key: str) -> None:
        super().__init__(
            place, f"the secret {secret!r} is not a JSON document with the key {key!r}; fix the key or the secret"
        )
