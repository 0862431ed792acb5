"""What comes while a worker is full is refused at once, and the connection goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import Receive, Scope, Send

from automl_serving.early import EarlyRefusals

BODY = b'{"rows": {}}'
HEAD = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 12\r\n%s\r\n"


class Counter:
    """An app that has no room below /predict while it is `full`, and answers 200 with the length of the body."""

    def __init__(self) -> None:
        self.full = True
        self.turned_away: list[str] = []
        self.let_in = 0

    def has_no_room(self, path: str) -> bool:
        return self.full and path == "/predict"

    def note_turned_away(self, path: str) -> None:
        self.turned_away.append(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.let_in += 1
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        said = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
        await send({"type": "http.response.body", "body": said})


@asynccontextmanager
async def serving(app: Counter) -> AsyncIterator[int]:
    """The app behind the protocol; gives the port."""
    config = uvicorn.Config(app, port=0, http=EarlyRefusals, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), head, await reader.readexactly(length)


Scenario = Callable[[Counter, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def play(scenario: Scenario) -> None:
    async def whole() -> None:
        app = Counter()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.wait_for(scenario(app, reader, writer), 20)
            writer.close()

    asyncio.run(whole())


def test_a_connection_is_refused_request_by_request_and_goes_on() -> None:
    async def scenario(app: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(HEAD % (b"/predict?x=1", b"") + BODY)
            status, head, body = await answer(reader)
            assert (status, json.loads(body)["error"]["code"]) == (503, "overloaded")
            assert b"retry-after: 1\r\n" in head
        assert (app.turned_away, app.let_in) == (["/predict"] * 3, 0)
        app.full = False
        writer.write(HEAD % (b"/predict", b"") + BODY)
        assert (await answer(reader))[::2] == (200, b"12")

    play(scenario)


def test_requests_sent_without_waiting_are_answered_in_their_order() -> None:
    async def scenario(app: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away, stays = HEAD % (b"/predict", b"") + BODY, HEAD % (b"/schema", b"") + BODY
        writer.write(away + away + stays + stays + away)
        statuses = [(await answer(reader))[0] for _ in range(4)]
        assert statuses == [503, 503, 200, 200]
        # The last one came while others were being answered, so it goes the long way: to the app.
        assert (await answer(reader))[0] == 200

    play(scenario)


def test_a_body_that_is_still_to_come_is_waited_for_by_the_app() -> None:
    async def scenario(app: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % (b"/predict", b"") + BODY[:5])
        await writer.drain()
        while not app.let_in:
            await asyncio.sleep(0.01)
        writer.write(BODY[5:])
        assert (await answer(reader))[::2] == (200, b"12")
        assert app.turned_away == []

    play(scenario)


def test_who_wants_to_leave_may() -> None:
    async def scenario(app: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % (b"/predict", b"Connection: close\r\n") + BODY)
        status, head, _ = await answer(reader)
        assert (status, b"connection: close" in head) == (503, True)
        assert await reader.read() == b""

    play(scenario)


def test_other_methods_and_paths_are_let_in() -> None:
    async def scenario(app: Counter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /predict HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await answer(reader))[0] == 200
        writer.write(HEAD % (b"/feedback", b"") + BODY)
        assert (await answer(reader))[0] == 200

    play(scenario)
