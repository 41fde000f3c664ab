"""The values of ``reload.yaml`` that stand elsewhere: in the environment, or in AWS Secrets Manager."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reload_assets.errors.config import ConfigVariableUnset

YEAR_SECONDS = 366 * 24 * 3600
"""The longest time that a field may have. A longer one is a mistake, which would overflow in the middle of a reload."""
MOST_ROWS = 1_000_000_000
"""The largest number of rows, keys or requests that a field may have: statements take no number of any length."""


class Section(BaseModel):
    """A part of the file: its fields are known, and do not change once they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class FromEnvironment(Section):
    """A value that is read from an environment variable when it is needed."""

    env: str = Field(description="Name of the environment variable.", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    def read(self, place: str) -> str:
        """Return the variable's value. Raises ConfigError, which names the field ``place``, if it is not set."""
        value = os.environ.get(self.env)
        if not value:
            raise ConfigVariableUnset(place, self.env)
        return value


class FromSecretsManager(Section):
    """A value that is read from AWS Secrets Manager when it is needed."""

    secret: str = Field(description="Name or ARN of the secret.", min_length=1)
    key: str | None = Field(
        None, description="Key in the secret's JSON document; if left out, the whole secret is the value."
    )


def _no_plain_secret(value: object) -> object:
    if isinstance(value, str):
        # The message does not repeat the value, which may be the real password.
        raise ValueError("a secret is not written in this file; use {env: NAME} or {secret: NAME, key: KEY}")
    return value


Text = str | FromEnvironment
Number = int | FromEnvironment
Secret = Annotated[FromEnvironment | FromSecretsManager, BeforeValidator(_no_plain_secret)]


def text(value: Text | Number, place: str) -> str:
    """Return a field as text, whether it is written in the file or taken from the environment."""
    return value.read(place) if isinstance(value, FromEnvironment) else str(value)
