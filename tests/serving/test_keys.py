"""Keys: issued once, known by digest, replaced and revoked under a running server, never written anywhere."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from automl.errors import AutoMLError, NotFoundError, OptionError, StoreError
from automl.store import Store
from automl_serving.exposure import exposed_options
from automl_serving.keys import KeyFile, Keyring, key_record
from automl_serving.rates import Rate
from automl_serving.settings import Options

from .conftest import register_version
from .test_server import READY_SECONDS, serve, start

TEXT = re.compile(r"automl_[0-9a-f]{12}_[0-9a-f]{64}")


def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + READY_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_is_shown_once_and_kept_as_a_digest(store: Store) -> None:
    issued = store.keys.create("site", ["predict", "feedback", "predict"], "100/s", timedelta(days=1))
    assert TEXT.fullmatch(issued.text)
    assert issued.text not in repr(issued)
    (key,) = store.keys.valid()
    assert (key.name, key.scopes, key.rate) == ("site", ("predict", "feedback"), "100/s")
    assert key.expires is not None
    assert key.expires - key.created == pytest.approx(timedelta(days=1), abs=timedelta(seconds=1))
    secret = issued.text.rsplit("_", 1)[1].encode()
    for path in store.folder.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path


def test_rotation_overlaps_and_revocation_ends(store: Store) -> None:
    first = store.keys.create("site", ["predict"], "5/s", timedelta(days=90))
    second = store.keys.rotate("site", timedelta(hours=1))
    assert second.text != first.text
    old, new = store.keys.valid()
    assert (new.scopes, new.rate) == (old.scopes, old.rate)
    assert old.expires is not None
    assert old.expires < datetime.now(UTC) + timedelta(hours=1, seconds=1)
    assert new.expires is not None
    assert new.expires > datetime.now(UTC) + timedelta(days=89), "a new key lives as long as the old one did"
    third = store.keys.rotate("site", timedelta(0))
    assert [key.prefix for key in store.keys.valid()] == [third.key.prefix], "neither of the old ones, at once"
    assert store.keys.revoke("site") == 1
    assert store.keys.valid() == []
    assert [key.state(datetime.now(UTC)) for key in store.keys.all()] == ["expired", "expired", "revoked"]
    assert [entry.action for entry in store.audit.of("key:site")] == [
        "create key",
        "rotate key",
        "rotate key",
        "revoke key",
    ]
    assert "site" in store.keys.create("site", ["admin"]).key.name, "the name is free again"


@pytest.mark.parametrize(
    ("action", "error", "words"),
    [
        (lambda keys: keys.create("two words", ["predict"]), OptionError, "is no name for a key"),
        (lambda keys: keys.create("key:x", ["predict"]), OptionError, "is no name for a key"),
        (lambda keys: keys.create("new", ["predct"]), OptionError, "Did you mean 'predict'"),
        (lambda keys: keys.create("new", []), OptionError, "opens nothing"),
        (lambda keys: keys.create("site", ["predict"]), StoreError, "There is a key 'site' already"),
        (lambda keys: keys.revoke("sit"), NotFoundError, "Did you mean 'site'"),
        (lambda keys: keys.rotate("gone", timedelta(0)), NotFoundError, "no valid key 'gone'"),
    ],
)
def test_mistakes_are_named(store: Store, action: Any, error: type[AutoMLError], words: str) -> None:
    store.keys.create("site", ["predict"])
    store.keys.create("gone", ["predict"])
    store.keys.revoke("gone")
    with pytest.raises(error, match=words):
        action(store.keys)


def test_a_keyring_follows_the_store_and_outlives_it(store: Store) -> None:
    class Source:
        """The store's keys, or a database that is away."""

        away = False
        asked_away = threading.Event()

        def valid(self) -> Any:
            if self.away:
                self.asked_away.set()
                raise StoreError("The database is away.")
            return store.keys.valid()

    source = Source()
    keyring = Keyring(source)
    keyring.start()
    issued = store.keys.create("site", ["predict"], "7/m")
    eventually(lambda: keyring.find(issued.text) is not None)
    known = keyring.find(issued.text)
    assert known is not None
    assert (known.name, known.scopes) == ("site", frozenset({"predict"}))
    for other in ("", "automl", issued.text[:-1], issued.text + "0", issued.text.upper(), issued.text[7:]):
        assert keyring.find(other) is None, other
    source.away = True
    assert source.asked_away.wait(READY_SECONDS)
    assert keyring.find(issued.text) is not None, "known keys stay good while the database is away"
    source.away = False
    store.keys.revoke("site")
    eventually(lambda: keyring.find(issued.text) is None)
    keyring.close()


def test_an_expired_key_ends_by_itself(store: Store) -> None:
    issued = store.keys.create("site", ["predict"], lifetime=timedelta(seconds=0.3))
    keyring = Keyring(store.keys)
    keyring.read()
    eventually(lambda: keyring.find(issued.text) is None)


def test_a_server_without_the_store_reads_an_exported_file(store: Store, tmp_path: Path) -> None:
    lasting = store.keys.create("site", ["predict", "feedback"], "600/m").text
    brief = store.keys.create("brief", ["predict"], lifetime=timedelta(days=1)).text
    store.keys.create("gone", ["predict"])
    store.keys.revoke("gone")
    path = tmp_path / "keys.json"

    def export() -> None:
        path.write_text(json.dumps([key_record(key) for key in store.keys.valid()]))

    export()
    assert lasting.split("_")[2].encode() not in path.read_bytes()
    keyring = Keyring(KeyFile(path))
    keyring.read()
    found = keyring.find(lasting)
    assert found is not None
    assert (found.name, found.scopes, found.rate) == ("site", frozenset({"predict", "feedback"}), Rate(600, 60))
    assert keyring.find(brief) is not None
    assert [key.name for key in KeyFile(path).valid()] == ["site", "brief"]
    store.keys.revoke("site")
    export()
    keyring.read()
    assert keyring.find(lasting) is None
    for broken in ("", '{"a": 1}', "[1]", '[{"name": "x"}]'):
        path.write_text(broken)
        with pytest.raises(StoreError, match=r"keys.json cannot be read"):
            Keyring(KeyFile(path)).read()


def test_a_server_that_others_reach_asks_for_keys_or_does_not_start(store: Store) -> None:
    with pytest.raises(OptionError, match=r"automl keys create NAME --scope predict.*--no-keys"):
        exposed_options(Options(), None, "0.0.0.0", store.keys)
    with pytest.raises(OptionError, match="no key that --keys could ask for"):
        exposed_options(Options(), True, "127.0.0.1", store.keys)
    opened = exposed_options(Options(), False, "0.0.0.0", store.keys)
    assert (opened.require_keys, opened.loopback) == (False, False)
    local = exposed_options(Options(), None, "127.0.0.1", store.keys)
    assert (local.require_keys, local.loopback) == (False, True)
    store.keys.create("site", ["predict"])
    assert exposed_options(Options(), None, "10.1.2.3", store.keys).require_keys
    assert exposed_options(Options(), True, "127.0.0.1", store.keys).require_keys


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_a_certificate_is_checked_before_the_start(store: Store, tmp_path: Path) -> None:
    (one, one_key), (_, other_key) = certificate(tmp_path, "one"), certificate(tmp_path, "other")

    def check(cert: str, key: str) -> Options:
        return exposed_options(Options(tls_cert=cert, tls_key=key), None, "127.0.0.1", store.keys)

    assert check(str(one), str(one_key)).tls_cert == str(one)
    for cert, key, words in (
        (str(one), "", "belong together"),
        (str(one), str(tmp_path / "none"), "cannot be read"),
        (str(tmp_path), str(one_key), "cannot be read"),
        (str(one), str(other_key), "are no certificate and its key"),
        (str(one_key), str(one), "are no certificate and its key"),
    ):
        with pytest.raises(OptionError, match=words):
            check(cert, key)


@contextmanager
def serving(store: Store, folder: Path, *words: str) -> Iterator[httpx.Client]:
    """A real server over TLS, and a client that trusts its certificate; its output is in output.txt."""
    cert, key = certificate(folder, "server")
    output = folder / "output.txt"
    with output.open("w") as file:
        command = serve(store, *words, "--tls-cert", cert.name, "--tls-key", key.name)
        process = start(command, folder, file)
    try:
        eventually(lambda: process.poll() is not None or "answers at https://" in output.read_text())
        found = re.search(r"answers at (https://\S+)", output.read_text())
        assert found, output.read_text()
        trusting = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(base_url=found[1], verify=trusting, trust_env=False, timeout=30) as http:
            yield http
    finally:
        process.terminate()
        assert process.wait(READY_SECONDS) == 0


@pytest.mark.parametrize("engine", ["bento", "plain"])
def test_a_real_server_speaks_tls_follows_its_keys_and_writes_neither_key_nor_row(
    store: Store, tmp_path: Path, engine: str
) -> None:
    register_version(store, 1e-3)
    first = store.keys.create("site", ["predict"]).text
    canary = "canary-7f3a"
    with serving(store, tmp_path, "--engine", engine, "--keys", "--private-docs") as http:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{http.base_url.netloc.decode()}/live", trust_env=False)
        row = {**http.get("/schema", headers={"X-API-Key": first}).json()["example"], "plan": canary}

        def ask(text: str, path: str = "/predict", body: Any = None) -> int:
            headers = {"Authorization": f"Bearer {text}"}
            return http.post(path, json=body or {"rows": [row]}, headers=headers).status_code

        assert (ask(first), ask(canary)) == (200, 401)
        assert http.post("/predict", json={"rows": [row]}).status_code == 401
        for path in ("/docs", "/docs.json", "/schema.json", "/openapi.json", "/model", "/static_content/index.css"):
            assert http.get(path).status_code == 401, f"{path}, whatever the engine has there itself"
        assert http.get("/livez").status_code == 200
        assert ask(first, "/admin/models/churn/promote") == 403
        assert ask(first, body={"rows": [{**row, "tenure": canary}]}) == 422
        second = store.keys.rotate("site", timedelta(0)).text
        eventually(lambda: ask(second) == 200)
        assert ask(first) == 401
        store.keys.revoke("site")
        eventually(lambda: ask(second) == 401)
        http.get(f"/nothing/{canary}?key={second}", headers={"X-API-Key": second, "Cookie": canary})
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert tmp_path / "output.txt" in written
    for path in written:
        content = path.read_bytes()
        assert not any(text.split("_")[2].encode() in content for text in (first, second)), path
        assert canary.encode() not in content or path.name.startswith("automl.db"), path
