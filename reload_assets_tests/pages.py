"""The pages of the documentation, taken apart: their headings, links, and blocks of code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
README = CHECKOUT / "README.md"
FOLLOWED = [
    README,
    DOCS / "start" / "tutorial.md",
    DOCS / "start" / "your-databases.md",
    *sorted((DOCS / "how-to").glob("*.md")),
]
"""The pages that a reader follows step by step, in the order of a first reading."""


@dataclass(frozen=True)
class Block:
    """A block of code. ``language`` is empty for an indented one."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"


@dataclass(frozen=True)
class Link:
    """A link or a picture, as it is written."""

    page: Path
    target: str
    is_picture: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}: {self.target}"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of code of a page; all of them, or those in one language."""
    found = [
        Block(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for token in _tokens(page)
        if token.type in ("fence", "code_block")
    ]
    return [block for block in found if language in (None, block.language)]


def links(page: Path) -> list[Link]:
    """The links and pictures of a page."""
    attributes = {"link_open": "href", "image": "src"}
    return [
        Link(page, str(token.attrs[attributes[token.type]]), token.type == "image")
        for token in _inline(page)
        if token.type in attributes
    ]


def spans(page: Path) -> list[str]:
    """What a page has in backticks within its text."""
    return [token.content for token in _inline(page) if token.type == "code_inline"]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = _tokens(page)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    seen: Counter[str] = Counter()
    found = set()
    for title in titles:
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def commands(block: Block) -> list[str]:
    """The commands of a block for a shell, without comments; a command that goes on in the next line is one."""
    lines = (re.sub(r"(?:^|\s)#.*", "", line).strip() for line in block.text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _inline(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield from token.children or []
