"""Rows as a form: `multipart/form-data` (RFC 7578), which is how a file is uploaded.

A part is a cell, named like its column. To send n rows, each part is sent n times; the first of each name make the
first row, and so on. An image is a file; any other cell is its text, as in a CSV, and an empty part a missing cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from automl_serving.problems import Refused

MEDIA_TYPE = "multipart/form-data"
MOST_PARTS = 20_000
LONGEST_HEAD = 8 * 1024  # bytes of the headers of a part
LONGEST_BOUNDARY = 70  # characters, RFC 2046, section 5.1.1

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"(?:^|\r\n)content-disposition:[ \t]*form-data[ \t]*;([^\r\n]*)", re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[;\s])name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILE = re.compile(rb"(?:^|[;\s])filename\*?=", re.IGNORECASE)
# Browsers write three characters of a name so (HTML, "multipart/form-data encoding algorithm"), others a backslash.
_ESCAPES = {b"%22": b'"', b"%0D": b"\r", b"%0A": b"\n"}


@dataclass(frozen=True)
class Part:
    """One field of a form. `is_file`: it came with a file name."""

    name: str
    content: bytes
    is_file: bool


def is_form(content_type: str) -> bool:
    """Is this the content type of a form?"""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def read_form(body: bytes, content_type: str) -> list[Part]:
    """The parts of a form in their order. Raises Refused (400) for a body that is none."""
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2]) if found else ""
    if not 1 <= len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii():
        raise _malformed("its content type names no boundary")
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), MOST_PARTS + 1)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        many = len(pieces) == MOST_PARTS + 2
        raise _malformed(f"it has more than {MOST_PARTS:,} parts" if many else "it does not end with its boundary")
    return list(_parts(pieces[1:-1]))


def _parts(pieces: list[bytes]) -> Iterator[Part]:
    for piece in pieces:
        padding, line, rest = piece.partition(b"\r\n")
        head, blank, content = rest.partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not line or not blank or len(head) > LONGEST_HEAD:
            raise _malformed("a part has no headers, or too long ones")
        disposition = _DISPOSITION.search(head)
        name = _NAME.search(disposition[1]) if disposition else None
        if disposition is None or name is None:
            raise _malformed("a part has no name")
        yield Part(_unescaped(name[1]), content, _FILE.search(disposition[1]) is not None)


def _unescaped(name: bytes) -> str:
    for written, meant in _ESCAPES.items():
        name = name.replace(written, meant)
    try:
        return re.sub(rb"\\(.)", rb"\1", name).decode()
    except UnicodeDecodeError as error:
        raise _malformed("the name of a part is not UTF-8") from error


def _malformed(why: str) -> Refused:
    return Refused(400, f"The body is no form: {why}.", code="malformed_form")
