"""One watch of a model at a time: a lease in the store, renewed by a thread, free again once its holder is silent."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from pathlib import Path

from automl.errors import StoreError
from automl.store import Store

SECONDS = 30.0
BEATS = 3  # renewals within the time of a lease


class Lease:
    """The lease of watching one model. `keep` renews it from a thread; `lost` is set once somebody else has it."""

    def __init__(self, store: Store, model: str, seconds: float = SECONDS) -> None:
        self.name = lease_name(model)
        self.owner = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.lost = threading.Event()
        self._store = store
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def take(self) -> bool:
        """Take the lease if it is free, or if its holder was a process of this machine that is dead. StoreError."""
        if self._store.leases.take(self.name, self.owner, self._seconds):
            return True
        holder = self._store.leases.holder(self.name)
        if holder is not None and is_dead(holder):
            self._store.leases.release(self.name, holder)
        return self._store.leases.take(self.name, self.owner, self._seconds)

    def renew(self) -> bool:
        """Is it still ours? If so, for its whole time again. StoreError."""
        if not self.lost.is_set() and not self._store.leases.take(self.name, self.owner, self._seconds):
            self.lost.set()
        return not self.lost.is_set()

    def keep(self) -> None:
        """Renew the lease until `release`."""
        self._thread.start()

    def release(self) -> None:
        """Stop renewing, and let another have it at once."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)
        if not self.lost.is_set():
            self._store.leases.release(self.name, self.owner)

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds / BEATS):
            try:
                if not self.renew():
                    return
            except StoreError:  # while the database is away nobody else can take it either
                continue


def lease_name(model: str) -> str:
    """What the lease of watching a model is called in the store."""
    return f"watch {model}"


def is_dead(owner: str) -> bool:
    """Was this owner a process of this machine that is no more? Of another machine's nothing can be said."""
    machine, _, rest = owner.rpartition("-")[0].rpartition("-")
    if machine != _machine() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """The host and its process namespace: two containers may have one host name and count processes each for itself."""
    namespace = Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}.{namespace.readlink().name.strip('pid:[]')}"
    except OSError:
        return socket.gethostname()
