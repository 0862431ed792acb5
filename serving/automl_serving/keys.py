"""The keys as one server process knows them: reread every second, so that a new or revoked key needs no restart."""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from automl.errors import StoreError
from automl.store.keys import Key, digest_of, prefix_of
from automl_serving.rates import Rate

logger = logging.getLogger(__name__)

READ_SECONDS = 1.0


class KeySource(Protocol):
    """Where keys are kept, like `Store.keys`."""

    def valid(self) -> Sequence[Key]:
        """The keys that are valid now."""


@dataclass(frozen=True)
class KeyFile:
    """The keys in a file that `automl keys export` wrote, for a server without a store. It holds digests only."""

    path: Path

    def valid(self) -> Sequence[Key]:
        """The keys of the file that are valid now; StoreError if it cannot be read."""
        try:
            found = [_key_of(record) for record in json.loads(self.path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"The file of keys {self.path} cannot be read.", "Write it: automl keys export."
            ) from error
        return [key for key in found if key.state(datetime.now(UTC)) == "valid"]


def key_record(key: Key) -> dict[str, Any]:
    """A key as plain JSON for a `KeyFile`."""
    return {**asdict(key), "created": key.created.isoformat(), "expires": key.expires and key.expires.isoformat()}


def _key_of(record: Mapping[str, Any]) -> Key:
    expires = record["expires"] and datetime.fromisoformat(record["expires"])
    created = datetime.fromisoformat(record["created"])
    scopes = tuple(record["scopes"])
    return Key(record["prefix"], record["name"], scopes, record["rate"], record["digest"], created, expires)


@dataclass(frozen=True)
class KnownKey:
    """A valid key, ready to be compared. `expires` is a `time.time()` instant."""

    name: str
    scopes: frozenset[str]
    rate: Rate | None
    digest: str
    expires: float

    @classmethod
    def of(cls, key: Key) -> KnownKey:
        """The same key as the store has it."""
        expires = float("inf") if key.expires is None else key.expires.timestamp()
        rate = Rate.parse(key.rate) if key.rate else None
        return cls(key.name, frozenset(key.scopes), rate, key.digest, expires)


class Keyring:
    """The valid keys of a source, read by a thread of its own: no request waits for the database.

    While the source does not answer, the keys last read stay good (one that has expired does not).
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._known: Mapping[str, KnownKey] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)

    def start(self) -> None:
        """Read the keys, and go on reading them; raises what the source raises if they cannot be read now."""
        self.read()
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def read(self) -> None:
        """Take over what the source holds now."""
        self._known = {key.prefix: KnownKey.of(key) for key in self._source.valid()}

    def find(self, text: str) -> KnownKey | None:
        """The key with this text if it is valid. How long it takes says nothing about the secret part."""
        known = self._known.get(prefix_of(text))
        if known is None or not hmac.compare_digest(known.digest, digest_of(text)):
            return None
        return known if time.time() < known.expires else None

    def _run(self) -> None:
        silent = False
        while not self._stopping.wait(READ_SECONDS):
            try:
                self.read()
            except Exception as error:  # the database may be away; whatever ails it, the keys in memory go on
                if not silent:
                    logger.warning("the keys cannot be read for the moment (%s)", type(error).__name__)
                silent = True
            else:
                silent = False
