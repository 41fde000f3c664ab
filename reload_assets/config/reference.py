"""Writes the reference of ``reload.yaml`` from the descriptions of its fields, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reload_assets.config.model import FromEnvironment, ReloadConfig

_HEAD = """# reload.yaml, field by field

Written by `reload-assets reference`. A value that is not a secret may also be `{env: NAME}` where the type says so.

| field | type | default | what it is for |
|---|---|---|---|
"""


def reference() -> str:
    """Return the reference as Markdown."""
    return _HEAD + "\n".join(_rows("", ReloadConfig)) + "\n"


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        yield f"| `{path}` | {_type(field.annotation)} | {_default(field)} | {field.description} |"
        inner, many = _model(field.annotation)
        if inner is not None:
            yield from _rows(f"{path}.<name>." if many else f"{path}.", inner)


def _model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model that a field holds, and whether it is a mapping of them."""
    if get_origin(annotation) is dict:
        return get_args(annotation)[1], True
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel) and part.__module__ == ReloadConfig.__module__:
            # The two kinds of references are types of values, not sections.
            return (None, False) if part.__name__.startswith("From") else (part, False)
    return None, False


def _type(annotation: Any) -> str:
    if get_origin(annotation) is dict:
        return "mapping by name"
    if get_origin(annotation) is list:
        return "list of text"
    if arguments := get_args(annotation):
        if all(isinstance(argument, str) for argument in arguments):
            return " or ".join(f"`{argument}`" for argument in arguments)
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if annotation is FromEnvironment:
        return "`{env}`"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "`{secret, key}`" if annotation.__name__ == "FromSecretsManager" else "section"
    names = {"str": "text", "int": "whole number", "float": "number", "datetime": "date or time"}
    return names.get(getattr(annotation, "__name__", ""), str(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default is None:
        return ""
    return f"`{field.default}`"
