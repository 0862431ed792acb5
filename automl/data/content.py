"""The bytes of one file, plain, packed or inside a zip archive: opened as a stream, never unpacked to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from automl.errors import SourceError, nearest

PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zip"})
HIDDEN = re.compile(r"\.[^.]|__MACOSX$")
ZIP_MAGIC = b"PK\x03\x04"
HEAD_BYTES = 64 * 1024
BUFFER_BYTES = 1 << 20
# Deflate cannot exceed 1032; a wide table of zeros reaches about 100. Small files may do as they like.
MOST_RATIO = 250
HARMLESS_BYTES = 64 << 20
MOST_WHOLE_BYTES = 1 << 30  # of a packed file that cannot be streamed
DAMAGED = (  # whatever the standard library raises on damaged bytes, according to fuzzing and its source
    OSError, EOFError, ValueError, LookupError, ArithmeticError, RuntimeError, struct.error, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """The bytes of one table, wherever they lie.

    `path` is the file, `packing` how it is packed ("" when it is not), `member` its name in a zip archive.
    """

    path: Path
    packing: str = ""
    member: str = ""

    def __str__(self) -> str:
        return f"{self.member} in {self.path}" if self.member else str(self.path)

    @property
    def suffix(self) -> str:
        """The ending that says what is in it: .csv for people.csv.gz."""
        path = PurePosixPath(self.member) if self.member else PurePosixPath(self.path.name)
        return (path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path).suffix.lower()

    @property
    def stored_bytes(self) -> int:
        """The size as it lies on disk, packed."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """A new stream from the first byte. Its reads raise SourceError when the packing is damaged or a bomb."""
        try:
            if not self.packing:
                return self.path.open("rb")
            inner = _open_packed(self)
        except PermissionError as error:
            raise SourceError(f"{self.path} may not be read.", "Ask for the permission to read it.") from error
        except DAMAGED as error:
            raise self._damaged(error) from error
        return cast(BinaryIO, io.BufferedReader(_Unpacked(inner, self), BUFFER_BYTES))

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    def file(self) -> Path | IO[bytes]:
        """What a reader that jumps about can use: the path, or all bytes in memory when they are packed."""
        if not self.packing:
            return self.path
        with self.open() as stream:
            whole = stream.read(MOST_WHOLE_BYTES)
            if stream.read(1):
                raise SourceError(f"{self} holds more than {MOST_WHOLE_BYTES >> 30} GiB.", "Unpack it first.")
        return io.BytesIO(whole)

    def _damaged(self, error: BaseException) -> SourceError:
        if "password" in str(error):
            return SourceError(f"{self} is encrypted.", "Unpack it first.")
        return SourceError(f"{self} is a damaged {self.packing} file: {first_line(error)}.")


def _open_packed(content: Content) -> IO[bytes]:
    if content.packing == "zip":
        with zipfile.ZipFile(content.path) as archive:  # a member that is open keeps the file open
            return archive.open(content.member)
    openers = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
    return cast(IO[bytes], openers[content.packing](content.path))


class _Unpacked(io.RawIOBase):
    """Counts what comes out of a packed stream and names what goes wrong in it."""

    def __init__(self, inner: IO[bytes], content: Content) -> None:
        self._inner = inner
        self._content = content
        self._allowed = max(content.stored_bytes * MOST_RATIO, HARMLESS_BYTES)
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            chunk = self._inner.read(len(buffer))
        except DAMAGED as error:
            raise self._content._damaged(error) from error
        self._count += len(chunk)
        if self._count > self._allowed:
            raise SourceError(
                f"{self._content} unpacks to more than {MOST_RATIO} times its size: it looks like a bomb.",
                "If it is no bomb, unpack it first.",
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._inner.close()
        super().close()


def packing_of(path: Path) -> str:
    """How a file is packed, by its first bytes: gzip, bzip2, xz, zip or "" for not at all. SourceError if it may not
    be read."""
    head = first_bytes(path, 6)
    if head.startswith(ZIP_MAGIC) or head.startswith(b"PK\x05\x06"):
        return "zip"
    return next((packing for magic, packing in PACKINGS.items() if head.startswith(magic)), "")


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a file; SourceError if it may not be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except PermissionError as error:
        raise SourceError(f"{path} may not be read.", "Ask for the permission to read it.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or first_line(error)}.") from error


def members(path: Path) -> list[str]:
    """The files in a zip archive in the order of their names, without hidden ones; SourceError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.filename.endswith("/")]
    except DAMAGED as error:
        raise SourceError(f"{path} is a damaged zip file: {first_line(error)}.") from error
    return sorted(name for name in names if not any(HIDDEN.match(part) for part in name.split("/")))


def choose_member(path: Path, candidates: list[str], wanted: str | None) -> str:
    """The member that was asked for, or the only candidate; SourceError that lists them otherwise."""
    if wanted is not None:
        known = members(path)
        chosen = [name for name in known if name == wanted] or [
            name for name in candidates if PurePosixPath(name).name == wanted or PurePosixPath(name).stem == wanted
        ]
        if len(chosen) != 1:
            raise SourceError(f"There is no file {wanted!r} in {path}.", nearest(wanted, candidates or known))
        return chosen[0]
    if len(candidates) > 1:
        shown = ", ".join(candidates[:6]) + (", …" if len(candidates) > 6 else "")
        raise SourceError(f"{path} holds {len(candidates)} tables: {shown}.", "Choose one with --table NAME.")
    return candidates[0]


def first_line(error: BaseException) -> str:
    """The first line of an error's message without its full stop, its type when it has none."""
    return str(error).strip().split("\n")[0][:200].rstrip(".") or type(error).__name__
