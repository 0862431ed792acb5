"""Which encoding a text file has, and its bytes as UTF-8."""

from __future__ import annotations

import codecs
import io
import re
from typing import Any, BinaryIO, cast

from automl.data.content import BUFFER_BYTES, Content, first_line
from automl.errors import SourceError

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",  # before the shorter marks that begin alike
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
BINARIES = {
    b"%PDF": "a PDF document", b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image",
    b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file", b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program", b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7z archive", b"\x28\xb5\x2f\xfd": "zstd data",
    b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a NumPy file", b"\x80\x04\x95": "a pickle",
}  # fmt: skip
DAMAGED_UTF8 = "UTF-8 with damaged bytes"
UTF16_SHARE = 0.3  # of the bytes are NUL in UTF-16 text of a Latin table
DETECTED_BYTES = 64 * 1024  # of lines beyond ASCII go to the detector
RUNS = re.compile(rb"[\x80-\xff]{2,}")
HIGH = re.compile(rb"[\x80-\xff]")
NON_LATIN = 0.6  # of the bytes beyond ASCII touch another one where a whole script lies there; accents stand alone
# Detector results that are believed, with the least confidence: measured on short tables in each of them. The
# detector confuses the Latin ones with Windows-1252 on a few accented letters.
BELIEVED = {
    "windows-1251": 0.03, "koi8-r": 0.03, "koi8-u": 0.03, "windows-1253": 0.03, "windows-1255": 0.03,
    "windows-1256": 0.03, "cp932": 0.05, "shift_jis": 0.05, "euc-jp": 0.05, "gb18030": 0.05, "big5": 0.05,
    "cp949": 0.05, "euc-kr": 0.05,
}  # fmt: skip
BELIEVED_LATIN = {"windows-1250": 0.048, "windows-1254": 0.048}


def encoding_of(content: Content) -> str:
    """The encoding that the beginning speaks for: by its mark, UTF-16 without one, UTF-8, else of older days.

    Raises SourceError when it is no text.
    """
    head = content.head
    if encoding := _unicode(head):
        return encoding
    what = next((what for magic, what in BINARIES.items() if head.startswith(magic)), "")
    if what or b"\x00" in head:
        raise SourceError(
            f"{content} is {what or 'a binary file'}, not a text table.",
            "Give it its right ending, or export it as CSV or Parquet.",
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return legacy_encoding(content)
    return "utf-8"


def text_of(raw: bytes) -> str | None:
    """The text that these bytes are, with U+FFFD for what is damaged; None when they are none."""
    encoding = _unicode(raw)
    if encoding is None and b"\x00" in raw:
        return None
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        legacy = _legacy(raw)
        return raw.decode(encoding or ("utf-8" if legacy == DAMAGED_UTF8 else legacy), errors="replace")


def _unicode(head: bytes) -> str | None:
    """UTF-8, UTF-16 or UTF-32 by its mark, UTF-16 also by its NUL bytes."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd >= UTF16_SHARE * len(head) and not even:
        return "utf-16-le" if odd else None
    return "utf-16-be" if even >= UTF16_SHARE * len(head) and even and not odd else None


def legacy_encoding(content: Content) -> str:
    """The encoding of a text that is not UTF-8. Windows-1252 unless much speaks for another one.

    A text that is UTF-8 but for a few damaged bytes is DAMAGED_UTF8.
    """
    return _legacy(_beyond_ascii(content))


def _legacy(sample: bytes) -> str:
    text = sample.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    if damaged * 4 < sum(ord(letter) > 127 for letter in text) - damaged:
        return DAMAGED_UTF8
    import chardet

    found = chardet.detect(sample)
    name, confidence = str(found["encoding"]).lower(), float(found["confidence"] or 0)
    touching = sum(len(run) for run in RUNS.findall(sample))
    script = touching >= NON_LATIN * max(len(HIGH.findall(sample)), 1)
    return name if confidence >= (BELIEVED if script else BELIEVED_LATIN).get(name, 2.0) else "cp1252"


def _beyond_ascii(content: Content) -> bytes:
    """The first lines that hold more than ASCII."""
    kept: list[bytes] = []
    size = 0
    with content.open() as stream:
        while size < DETECTED_BYTES and (line := stream.readline(BUFFER_BYTES)):
            if not line.isascii():
                kept.append(line)
                size += len(line)
    return b"".join(kept)[:DETECTED_BYTES]


def utf8_stream(content: Content, encoding: str) -> BinaryIO:
    """The text as UTF-8 bytes without a mark. Reads raise SourceError where UTF-16 text is damaged; other damaged
    bytes become U+FFFD."""
    stream = content.open()
    if encoding == "utf-8-sig":
        stream.read(len(codecs.BOM_UTF8))
    if encoding in ("utf-8-sig", "utf-8"):
        return stream
    return cast(
        BinaryIO,
        io.BufferedReader(_Recoded(stream, content, "utf-8" if encoding == DAMAGED_UTF8 else encoding), BUFFER_BYTES),
    )


class _Recoded(io.RawIOBase):
    """Text of one encoding as UTF-8 bytes."""

    def __init__(self, inner: BinaryIO, content: Content, encoding: str) -> None:
        self._inner = inner
        self._content = content
        self._strict = encoding.startswith(("utf-16", "utf-32"))
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict" if self._strict else "replace")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            chunk = self._inner.read(BUFFER_BYTES)
            self._ended = not chunk
            try:
                self._ready = self._decoder.decode(chunk, final=self._ended).encode("utf-8")
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{self._content} begins like {self._encoding[:6].upper()} text but is not: {first_line(error)}."
                ) from error
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._inner.close()
        super().close()
