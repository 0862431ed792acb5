"""The key of the hashes in a prediction log that is not to hold features as they came."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from automl.errors import StoreError

FILE = "log.key"
KEY_BYTES = 32
HASH_BYTES = 16


def log_key(folder: Path) -> bytes:
    """The key of the store in a folder: FOLDER/log.key, readable by its owner only, made at first need.

    It is a file and not a row, so that whoever gets hold of the database alone can guess no value by hashing guesses.
    Without it, old hashes can no longer be told to be of the same values as new ones; nothing else is lost.

    Raises StoreError if the file cannot be made or read, is no such key, or others may read it.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise StoreError(f"Others may read {path}, the key of the log's hashes.", f"Run: chmod 600 {path}")
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(f"The key {path} cannot be used: {error.strerror}.") from error
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path} is no key of {KEY_BYTES} bytes.", "Remove it, and a new one is made.")
    return key


def hashed(text: str, column: str, key: bytes) -> str:
    """The hash of a cell: equal ones for equal cells of a column. BLAKE2 with a key (RFC 7693)."""
    content = f"{len(column)}:{column}{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, key=key, digest_size=HASH_BYTES).hexdigest()


def hashed_key(text: str, key: bytes) -> str:
    """What stands in the log for what a client calls the subject of a row."""
    return hashed(text, "", key)


def spellings_of(text: str, folder: Path) -> tuple[str, ...]:
    """How the key of a row may stand in the log of the store in a folder: as it came, or as its hash."""
    return (text, hashed_key(text, log_key(folder))) if (folder / FILE).exists() else (text,)


def _make(path: Path) -> None:
    """Write a new key. Of two processes at once, the second takes the key of the first."""
    draft = path.with_name(f".{FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
