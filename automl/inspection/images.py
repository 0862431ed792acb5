"""Pictures that cannot be opened, and pictures that are there more than once."""

from __future__ import annotations

import hashlib
import io
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from automl.inspection.findings import Finding, counted, percent
from automl.inspection.view import Seen, View

OPENED = 5_000  # pictures; more of them are drawn evenly
LEAST_SECONDS, MOST_SECONDS = 1.0, 10.0  # large photographs take long to decode
COMPARED = 50_000


def find(view: View, seconds: float = MOST_SECONDS) -> list[Finding]:
    """Broken pictures and copies, by column; as many pictures are opened as there is time for."""
    seconds = min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
    return [finding for seen in view.used("image") for finding in (*_broken(seen, seconds), *_copies(seen))]


def _broken(seen: Seen, seconds: float) -> Iterator[Finding]:
    cells = [cell for cell in seen.array if cell is not None]
    chosen = np.unique(np.linspace(0, max(len(cells) - 1, 0), min(OPENED, len(cells))).astype(np.int64))
    end = time.monotonic() + seconds
    opened, broken = 0, []
    for position in chosen:
        if time.monotonic() > end:
            break
        opened += 1
        reason = why_broken(cells[position])
        if reason:
            broken.append((cells[position], reason))
    if broken:
        share = len(broken) / opened
        of = f"{len(cells):,} pictures" if opened == len(cells) else f"{opened:,} pictures opened"
        yield Finding(
            "quality.broken_image",
            "problem" if share > 0.5 else "warning",
            f"Column {seen.name!r}: {len(broken):,} of {of} cannot be read ({percent(share)}).",
            (seen.name,),
            len(broken),
            "learned as missing",
            "remove or replace the files",
            tuple(f"{_named(cell)}: {reason}" for cell, reason in broken[:3]),
        )


def why_broken(cell: str | bytes) -> str:
    """Why the picture in a cell cannot be decoded to its last line; empty if it can."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell) as picture:
            picture.draft("L", (64, 64))  # a JPEG is read to its end, but not blown up
            picture.load()
    except FileNotFoundError:
        return "there is no such file"
    except Exception as error:  # Pillow's decoders raise whatever they like
        return str(error).split("\n")[0][:60] or type(error).__name__
    return ""


def _copies(seen: Seen) -> Iterator[Finding]:
    cells = [cell for cell in seen.array[:COMPARED] if cell is not None]
    counts = Counter(digests(cells))
    copies = sum(count - 1 for digest, count in counts.items() if digest)
    if copies:
        yield Finding(
            "quality.image_copies",
            "warning" if copies > len(cells) / 20 else "note",
            f"Column {seen.name!r}: {counted(copies, 'picture')} of {len(cells):,} are copies of an earlier one.",
            (seen.name,),
            copies,
            "kept",
            "remove the copies",
        )


def digests(cells: list[str | bytes]) -> list[str]:
    """One text per picture, the same for the same bytes; empty where nothing can be read or the size is unique."""
    sizes = [_size(cell) for cell in cells]
    shared = {size for size, count in Counter(sizes).items() if count > 1 and size > 0}
    return [_digest(cell) if size in shared else "" for cell, size in zip(cells, sizes, strict=True)]


def _size(cell: str | bytes) -> int:
    if isinstance(cell, bytes):
        return len(cell)
    try:
        return Path(cell).stat().st_size
    except OSError:
        return -1


def _digest(cell: str | bytes) -> str:
    try:
        content = cell if isinstance(cell, bytes) else Path(cell).read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(content).hexdigest()


def _named(cell: str | bytes) -> str:
    return f"{len(cell):,} bytes" if isinstance(cell, bytes) else "/".join(Path(cell).parts[-2:])
