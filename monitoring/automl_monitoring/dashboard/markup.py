"""Markup that cannot be broken into: whatever is not made here is escaped when it is put into a page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

EMPTY_ELEMENTS = frozenset({"br", "circle", "hr", "line", "link", "meta", "path", "polygon", "rect"})


class Html(str):
    """Markup that goes into a page as it stands."""

    __slots__ = ()


Content: TypeAlias = "str | int | float | Iterable[Content] | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def html(content: Content) -> Html:
    """Text escaped, markup as it is, the parts of an iterable one after the other, nothing for None."""
    if isinstance(content, Html):
        return content
    if content is None:
        return Html("")
    if isinstance(content, str | int | float):
        return Html(escape(str(content)))
    return Html("".join(map(html, content)))


def tag(name: str, /, *content: Content, **attributes: Attribute) -> Html:
    """An element. An attribute's name loses a last `_`, and its other `_` become `-`; None and False leave it out."""
    written = [_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False]
    start = " ".join([name, *written])
    return Html(f"<{start}/>" if name in EMPTY_ELEMENTS else f"<{start}>{html(content)}</{name}>")


def _attribute(name: str, value: Attribute) -> str:
    shown = name.rstrip("_").replace("_", "-")
    return shown if value is True else f'{shown}="{escape(str(value))}"'
