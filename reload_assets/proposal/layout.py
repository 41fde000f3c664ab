"""How values and comments are laid out in a YAML file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import yaml

_WIDTH = 118


def written(value: object) -> str:
    """Return a value on one line of YAML, quoted only if YAML would read it as something else."""
    shown = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return shown.removesuffix("\n").removesuffix("\n...")


def comment(text: str, indent: int) -> Iterator[str]:
    """Yield the lines of a comment. Later lines are set in, so that each comment is seen as one."""
    margin = " " * indent + "# "
    yield from textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
