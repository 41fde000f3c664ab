"""Turns each of pydantic's findings into one clear sentence: file, field, value, fix."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from reload_assets.errors import ConfigError, did_you_mean
from reload_assets.errors.config import ConfigMissingField, ConfigMistakes, ConfigUnknownField, ConfigValue

# The value of such a field may be a password that somebody wrote into the file, so no message shows it.
_SECRET = ("password", "secret")
_NO_TEXT = re.compile("[\\0\\ud800-\\udfff]")


class UniqueKeyLoader(yaml.SafeLoader):
    """Loads YAML and rejects a key that is written twice, where YAML itself would silently keep the last one.

    It rejects the characters, too, that no database and no message can hold.
    """

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Return the text of a node. Raises ConstructorError, with line and column, for such characters."""
        text = super().construct_scalar(node)
        if isinstance(text, str) and _NO_TEXT.search(text):
            problem = "a text holds \\0 or half a pair of surrogates, which no name can have"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        return text

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; raises a marked error for 2025-02-30, which looks like a day and is none."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            problem = f"{node.value!r} cannot be read ({error})"
        except (AttributeError, LookupError):
            # So PyYAML ends with a value that its own tag does not have, such as !!bool perhaps.
            problem = f"{node.value!r} cannot be read as {node.tag.replace('tag:yaml.org,2002:', '!!')}"
        raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of a node. Raises ConstructorError, with line and column, for a key that is repeated.

        So it does for one that is a list or a mapping itself.
        """
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                problem = "a list or a mapping is written where a key belongs"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is written twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def explain(file: str, error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """Return one error for a failed validation: the only finding, or all of them with one line each."""
    found = {str(one): one for one in (_error(file, dict(finding), model) for finding in error.errors())}
    return next(iter(found.values())) if len(found) == 1 else ConfigMistakes(file, list(found.values()))


def _error(file: str, finding: dict[str, Any], model: type[BaseModel]) -> ConfigError:
    place = [part for part in finding["loc"] if _is_field(part)]
    field = ".".join(str(part) for part in place)
    kind, value = finding["type"], finding.get("input")
    where = f"{file}: {field}" if field else file
    if kind == "extra_forbidden":
        hint = did_you_mean(str(place[-1]), _fields_beside(model, place))
        return ConfigUnknownField(where, f"there is no such field{hint}")
    if kind == "missing":
        return ConfigMissingField(where, "is missing; write it in the file")
    message = finding["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return ConfigValue(where, message)
    shown = "" if any(word in field for word in _SECRET) else f"{_short(value)} is not accepted: "
    return ConfigValue(where, f"{shown}{message[:1].lower()}{message[1:]}")


def _is_field(part: object) -> bool:
    # pydantic adds the names of a union's members to the path; the user did not write those.
    return isinstance(part, int) or not (
        str(part) in ("str", "int", "FromEnvironment", "FromSecretsManager") or "[" in str(part)
    )


def _short(value: object) -> str:
    written = repr(value)
    return written if len(written) <= 60 else written[:57] + "..."


def _fields_beside(model: type[BaseModel], place: list[Any]) -> list[str]:
    """Return the field names that are allowed in the place of the unknown one."""
    current: Any = model
    for part in place[:-1]:
        current = _step(current, part)
        if current is None:
            return []
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _step(current: Any, part: object) -> Any:
    if isinstance(current, type) and issubclass(current, BaseModel):
        for name, field in current.model_fields.items():
            if part in (name, field.alias):
                return _model_in(field.annotation)
        return None
    return current[1] if isinstance(current, tuple) else None


def _model_in(annotation: Any) -> Any:
    """Return the model, or ``(dict, model)`` for a mapping of models, inside an annotation such as ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_model_in(argument) for argument in get_args(annotation)]
    found = next((model for model in inner if model is not None), None)
    return (dict, found) if getattr(annotation, "__origin__", None) is dict and found else found
