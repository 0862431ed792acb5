"""Real receivers of alerts on 127.0.0.1: a web server and a mail server of a few lines, each in a thread."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hook:
    """What a web server was sent; it answers with `answers` one after another, then with 204."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def hook(*answers: int) -> Iterator[Hook]:
    """A web server that takes alerts; 302 sends to /elsewhere."""
    state = Hook(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            state.headers.append(dict(self.headers))
            state.paths.append(self.path)
            code = state.answers.pop(0) if state.answers else 204
            self.send_response(code)
            if code == 302:
                self.send_header("Location", f"http://127.0.0.1:{state.port}/elsewhere")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Mailbox:
    """What a mail server was told, line by line; it offers no STARTTLS, and refuses recipients at nowhere.test."""

    port: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server that keeps what it is sent."""
    state = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            data = False
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                state.lines.append(line)
                if data:
                    data = line != "."
                    answer = "" if data else "250 kept"
                elif line.upper().startswith("DATA"):
                    data, answer = True, "354 go on"
                elif line.upper().startswith("QUIT"):
                    answer = "221 bye"
                else:
                    answer = "550 nobody here" if "nowhere.test" in line else "250 fine"
                if answer:
                    self.wfile.write(f"{answer}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
