"""Finds the errors of this package by area and by code."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType

import reload_assets.errors
from reload_assets.errors import ReloadError


def leaves(module: ModuleType) -> list[type[ReloadError]]:
    """Return the leaf errors of a module of ``reload_assets.errors``, in the order of the file."""
    own = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    return [one for one in own if issubclass(one, ReloadError) and "code" in vars(one)]


def advice_for(code: str) -> str | None:
    """Return what to do about an error with this code; None if there is no such error."""
    found = _by_code().get(code)
    return None if found is None else found.advice


@cache
def _by_code() -> dict[str, type[ReloadError]]:
    package = reload_assets.errors
    names = [f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    found = [error for name in names for error in leaves(importlib.import_module(name))]
    return {error.code: error for error in found}
