"""API keys: what a client shows to an endpoint. The store knows their digests only, never the keys.

A key is random through and through, so that one round of SHA-256 protects it as well as a slow hash would: slow hashes
are for passwords, which can be guessed. Nobody guesses 32 random bytes, and a server checks a key at every request.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, Select, insert, or_, select, update

from automl.errors import NotFoundError, OptionError, StoreError, nearest
from automl.store import database
from automl.store.audit import AuditEntry, AuditTrail

SCOPES = ("predict", "feedback", "admin")
MARK = "automl"  # every key begins with it, so that scanners for leaked secrets can know one
KEY_BYTES = 32
PREFIX_BYTES = 6
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
AUDIT_NAME = "key:{}"  # in the audit trail; no model has a colon in its name


@dataclass(frozen=True)
class Key:
    """What is known of a key: all but the key itself.

    `prefix` finds it, `digest` proves it (hexadecimal SHA-256 of the whole key). `rate` is a text like "100/s", empty
    for no bound. It is valid until `expires` and until it is `revoked`.
    """

    prefix: str
    name: str
    scopes: tuple[str, ...]
    rate: str
    digest: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def state(self, moment: datetime) -> str:
        """valid, expired or revoked at a moment."""
        if self.revoked is not None and self.revoked <= moment:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= moment else "valid"


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its text, which can never be read again."""

    key: Key
    text: str = field(repr=False)


def digest_of(text: str) -> str:
    """The digest of a key's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def prefix_of(text: str) -> str:
    """The part of a key's text that is no secret; "" if the text is no key."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    return prefix if mark == MARK and secret else ""


class Keys:
    """Issues, replaces and revokes the keys of a store; each change is in the audit trail."""

    def __init__(self, engine: Engine, audit: AuditTrail) -> None:
        self._engine = engine
        self._reader = database.reader_of(engine)
        self._audit = audit

    def create(self, name: str, scopes: Sequence[str], rate: str = "", lifetime: timedelta | None = None) -> IssuedKey:
        """Issue a key; OptionError for a bad name or scope, StoreError if the name has a valid key."""
        if not NAME.fullmatch(name):
            raise OptionError(
                f"{name!r} is no name for a key.", "Use up to 48 letters, digits, '.', '_' and '-'; a letter first."
            )
        for scope in scopes:
            if scope not in SCOPES:
                raise OptionError(f"There is no scope {scope!r}.", nearest(scope, SCOPES))
        if not scopes:
            raise OptionError("A key without a scope opens nothing.", f"Give --scope: {', '.join(SCOPES)}.")
        with self._engine.begin() as connection:
            if self._valid(connection, name):
                raise StoreError(f"There is a key {name!r} already.", "Rotate or revoke it, or choose another name.")
            expires = None if lifetime is None else datetime.now(UTC) + lifetime
            issued = self._issue(connection, name, tuple(dict.fromkeys(scopes)), rate, expires)
            self._note(connection, "create key", issued.key)
        return issued

    def rotate(self, name: str, overlap: timedelta) -> IssuedKey:
        """Issue a key with the scopes, rate and lifetime of the one of this name, which stays valid for `overlap`.

        NotFoundError if the name has no valid key.
        """
        with self._engine.begin() as connection:
            old = self._valid(connection, name)
            if not old:
                raise self._unknown(connection, name)
            newest = old[-1]
            until = datetime.now(UTC) + overlap
            table = database.keys
            outlives = or_(table.c.expires.is_(None), table.c.expires > until)
            mine = table.c.prefix.in_([key.prefix for key in old])
            connection.execute(update(table).where(mine, outlives).values(expires=until))
            expires = None if newest.expires is None else datetime.now(UTC) + (newest.expires - newest.created)
            issued = self._issue(connection, name, newest.scopes, newest.rate, expires)
            self._note(connection, "rotate key", issued.key, {"old": newest.prefix, "until": until.isoformat()})
        return issued

    def revoke(self, name: str) -> int:
        """End every valid key of a name now; how many. NotFoundError if there is none."""
        with self._engine.begin() as connection:
            old = self._valid(connection, name)
            if not old:
                raise self._unknown(connection, name)
            table = database.keys
            mine = table.c.prefix.in_([key.prefix for key in old])
            connection.execute(update(table).where(mine).values(revoked=datetime.now(UTC)))
            for key in old:
                self._note(connection, "revoke key", key)
        return len(old)

    def all(self) -> list[Key]:
        """Every key that there ever was, oldest first."""
        with self._reader.connect() as connection:
            return self._read(connection, select(database.keys))

    def valid(self) -> list[Key]:
        """The keys that are valid now, oldest first."""
        with self._reader.connect() as connection:
            return self._valid(connection)

    def _issue(
        self, connection: Connection, name: str, scopes: tuple[str, ...], rate: str, expires: datetime | None
    ) -> IssuedKey:
        prefix = secrets.token_hex(PREFIX_BYTES)
        text = f"{MARK}_{prefix}_{secrets.token_hex(KEY_BYTES)}"
        key = Key(prefix, name, scopes, rate, digest_of(text), datetime.now(UTC), expires)
        connection.execute(
            insert(database.keys).values(
                prefix=key.prefix,
                name=name,
                scopes=" ".join(scopes),
                rate=rate,
                digest=key.digest,
                created=key.created,
                expires=expires,
            )
        )
        return IssuedKey(key, text)

    def _note(self, connection: Connection, action: str, key: Key, detail: dict[str, str] | None = None) -> None:
        told = {"prefix": key.prefix, "scopes": list(key.scopes), "rate": key.rate, **(detail or {})}
        self._audit.add(AuditEntry(action, AUDIT_NAME.format(key.name), None, "by hand", told), connection)

    def _unknown(self, connection: Connection, name: str) -> NotFoundError:
        known = sorted({key.name for key in self._valid(connection)})
        return NotFoundError(f"There is no valid key {name!r}.", nearest(name, known))

    def _valid(self, connection: Connection, name: str | None = None) -> list[Key]:
        table, now = database.keys, datetime.now(UTC)
        statement = select(table).where(
            table.c.revoked.is_(None), or_(table.c.expires.is_(None), table.c.expires > now)
        )
        return self._read(connection, statement if name is None else statement.where(table.c.name == name))

    @staticmethod
    def _read(connection: Connection, statement: Select[tuple[object, ...]]) -> list[Key]:
        rows = connection.execute(statement.order_by(database.keys.c.created))
        return [
            Key(
                prefix=row.prefix,
                name=row.name,
                scopes=tuple(row.scopes.split()),
                rate=row.rate,
                digest=row.digest,
                created=row.created,
                expires=row.expires,
                revoked=row.revoked,
            )
            for row in rows
        ]
