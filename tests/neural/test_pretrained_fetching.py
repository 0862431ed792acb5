"""A checkpoint is fetched by name where the user allows it, from a hub that the test itself runs; a pickle never is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.neural.checkpoints import text_checkpoint

COMMIT = "0" * 40
FETCH = "from automl.neural.pretrained.finding import chosen_weights as c; print(c(['org/tiny'], 'text', fetch=True))"


@contextmanager
def hub(files: Path) -> Iterator[str]:
    """As much of the hub's HTTP interface as a download takes: a list of files, and the files."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(send=False)

        def do_GET(self) -> None:
            self.answer(send=True)

        def answer(self, send: bool) -> None:
            path = self.path.split("?")[0]
            names = sorted(each.name for each in files.iterdir())
            if path.startswith("/api/models/org/tiny/tree/"):
                sizes = {name: (files / name).stat().st_size for name in names}
                listed = [{"type": "file", "path": name, "oid": name, "size": sizes[name]} for name in names]
                content = json.dumps(listed).encode()
            elif path.startswith("/api/models/org/tiny"):
                siblings = [{"rfilename": name} for name in names]
                content = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            elif path.startswith("/org/tiny/resolve/") and path.split("/")[-1] in names:
                content = (files / path.split("/")[-1]).read_bytes()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if send:
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_name_is_fetched_where_it_is_allowed(tmp_path: Path) -> None:
    files = text_checkpoint(tmp_path / "files", ["a few words"])
    (files / "pytorch_model.bin").write_bytes(b"a pickle")
    cache = tmp_path / "cache"
    with hub(files) as address:
        own = {"HF_ENDPOINT": address, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **own, "HF_HOME": str(tmp_path / "home"), "AUTOML_WEIGHTS": ""}
        command = [sys.executable, "-c", FETCH]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    folder = cache / "models--org--tiny" / "snapshots" / COMMIT
    assert done.stdout.strip() == str({"org/tiny": str(folder)})
    assert not (folder / "pytorch_model.bin").exists()
    again = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}  # now it is in the cache, and nobody is asked
    done = subprocess.run(command, env=again, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == str({"org/tiny": str(folder)}), done.stderr
