"""What nobody well-meaning sends: every request is refused or hung up on, and the server is none the worse for it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from automl.data.dataset import conform
from automl.data.schema import Column, Schema
from automl.model.artifact import SelfTest
from automl.model.model import Model
from automl.store import Store
from automl.task import Problem

from .conftest import NAME, fit_model, picture, register_model, register_version
from .test_server import Server, free_port, running, serve

ROUNDS = int(os.environ.get("AUTOML_POISON_ROUNDS", "10"))
PICTURES = "pictures"
HUNG_UP = 0
MEGABYTE = 1024 * 1024
ROW = {"tenure": 5, "Monthly Charges": 20.5, "plan": "gold", "class": "Yes", "signed": "2024-01-01"}

Hostile = bytes | Iterator[bytes]


def post(
    body: bytes,
    path: str = f"/models/{NAME}/predict",
    kind: str = "application/json",
    length: Any = None,
    more: str = "",
) -> bytes:
    """A request as it stands on the wire; `length` is what it says of its body, `more` further header lines."""
    length = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"
    return head.encode("latin-1") + body


def get(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode("latin-1")


def with_cell(cell: str, name: str = "tenure") -> bytes:
    """A good row with this piece of JSON as one of its cells."""
    return json.dumps({"rows": [{**ROW, name: "@"}]}).replace('"@"', cell).encode()


def with_picture(content: bytes) -> bytes:
    return post(json.dumps({"rows": {"photo": base64.b64encode(content).decode()}}).encode(), PICTURE_PATH)


def png(width: int, height: int, content: bytes = b"") -> bytes:
    """A PNG that says it is so large; its pixels are `content`, compressed."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", content), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def endless_body(megabytes: int) -> Iterator[bytes]:
    """Chunk after chunk, as long as somebody listens."""
    yield f"POST /models/{NAME}/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    yield b"Transfer-Encoding: chunked\r\n\r\n"
    for _ in range(megabytes):
        yield b"100000\r\n" + b" " * MEGABYTE + b"\r\n"
    yield b"0\r\n\r\n"


def chunked(chunks: bytes) -> bytes:
    head = f"POST /models/{NAME}/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


PICTURE_PATH = f"/models/{PICTURES}/predict"
JSON = {"content-type": "application/json"}
GOOD = json.dumps({"rows": [ROW]}).encode()
PHOTO = base64.b64decode(picture(64))
JPEG = base64.b64decode(picture(64, "JPEG"))
BOMB = zlib.compress(b"\0" * 20 * MEGABYTE, 9)

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" " * 1000,
    "a byte order mark": b"\xef\xbb\xbf",
    "utf-16": GOOD.decode().encode("utf-16"),
    "no utf-8": b'{"rows": [{"plan": "\xff\xfe"}]}',
    "an overlong slash": b'{"rows": [{"plan": "\xc0\xaf"}]}',
    "cut off": GOOD[:-3],
    "two documents": GOOD + GOOD,
    "a comment": b"/* */" + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "a trailing comma": GOOD.replace(b"}]}", b"},]}"),
    "a control character": GOOD.replace(b"gold", b"go\x01ld"),
    "gzip magic": b"\x1f\x8b\x08\x00" + b"\0" * 100,
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.",
    "xml with an entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "20,000 open lists": b"[" * 20_000,
    "20,000 lists": b"[" * 20_000 + b"]" * 20_000,
    "20,000 open objects": b'{"rows":' * 20_000,
    "20,000 objects": b'{"rows":' * 20_000 + b"1" + b"}" * 20_000,
    "a deep cell": with_cell("[" * 20_000 + "]" * 20_000),
    "a cell 100 deep": with_cell("[" * 100 + "]" * 100),
    "a further field 40 deep": with_cell("[" * 40 + "]" * 40, "x"),
    "1e999": with_cell("1e999"),
    "-1e999": with_cell("-1e999"),
    "1e999 in a category": with_cell("1e999", "plan"),
    "1e999 in a further field": with_cell("1e999", "x"),
    "NaN": with_cell("NaN"),
    "Infinity": with_cell("Infinity"),
    "-Infinity in a category": with_cell("-Infinity", "plan"),
    "NaN far down in a further field": with_cell('{"a": [{"b": NaN}]}', "x"),
    "a number of 5,000 digits": with_cell("9" * 5_000),
    "a number of 400 digits": with_cell("9" * 400),
    "a text of 400 digits": with_cell('"' + "9" * 400 + '"'),
    "a text of a million digits": with_cell('"' + "9" * MEGABYTE + '"'),
    "a text of ten million letters": with_cell('"' + "x" * 10 * MEGABYTE + '"', "plan"),
    "half a character": with_cell('"\\ud800"', "plan"),
    "the rows twice": b'{"rows": [], "rows": [' + json.dumps(ROW).encode() + b"]}",
    "a column twice": GOOD.replace(b'"plan"', b'"plan": "basic", "plan"'),
    "a further field 100,000 times": b'{"rows": [{' + b'"x": 1, ' * 100_000 + b'"x": 1}]}',
    "an empty list": b'{"rows": []}',
    "no rows": b"{}",
    "rows that are none": b'{"rows": [1, null, [], "row"]}',
    "too many rows": b'{"rows": [' + b"{}," * 10_000 + b"{}]}",
    "a million wrong cells": b'{"rows": [' + b",".join([b'{"tenure": []}'] * 9_999) + b"]}",
    "a prototype": b'{"__proto__": {"rows": []}}',
    "a sum": with_cell('"=1+1"'),
    "a template": with_cell('"{{7*7}}"'),
    "a date of another calendar": with_cell('"9999999-99-99"', "signed"),
    "a date at the end of time": with_cell('"999999999999999999999999"', "signed"),
}
IMAGES: dict[str, bytes] = {
    "a png of 60,000 by 60,000": png(60_000, 60_000, BOMB),
    "a png of 2 billion by 1": png(2**31 - 1, 1, BOMB),
    "a png of 13,000 by 13,000": png(13_000, 13_000, BOMB),
    "a png without a side": png(0, 10),
    "a png with too few pixels": png(64, 64, zlib.compress(b"\0" * 100)),
    "a png with broken compression": png(64, 64, b"no zlib"),
    "a png that is cut off": PHOTO[: len(PHOTO) // 2],
    "a png header alone": PHOTO[:33],
    "a jpeg that is cut off": JPEG[: len(JPEG) // 2],
    "a jpeg of two bytes": b"\xff\xd8",
    "an svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a gif header": b"GIF89a\xff\xff\xff\xff",
    "a bmp of a lie": b"BM"
    + struct.pack("<IHHI", 100, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "a tiff that turns in circles": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "random bytes": bytes(range(256)) * 100,
}
PATHS = (
    "/../../../../etc/passwd",
    f"/models/{NAME}/docs/../../../etc/passwd",
    f"/models/{NAME}/docs/..%2f..%2f..%2fetc%2fpasswd",
    f"/models/{NAME}/docs/%2e%2e/%2e%2e/etc/passwd",
    f"/models/{NAME}/docs/%252e%252e%252fetc%252fpasswd",
    f"/models/{NAME}/docs/..%c0%af..%c0%afetc/passwd",
    f"/models/{NAME}/docs/%ef%bc%8e%ef%bc%8e%ef%bc%8fetc%ef%bc%8fpasswd",
    f"/models/{NAME}/docs/..\\..\\etc\\passwd",
    f"/models/{NAME}/docs/%00",
    f"/models/{NAME}/static/..%2f..%2fsettings.py",
    f"/models/{NAME}/static/%2fetc%2fpasswd",
    "/models/..%2f..%2fetc/passwd",
    "/models/%2e%2e/openapi.json",
    f"/models/{NAME}/versions/..%2f1/openapi.json",
    f"/models/{NAME}/versions/%2fetc%2fpasswd/openapi.json",
    f"/models/{NAME}/versions/99999999999999999999/openapi.json",
    f"/models/{NAME}/docs/..%2f..%2fcontext.py",
    "//etc/passwd",
    "/file:///etc/passwd",
)
RAW: dict[str, Callable[[], Hostile]] = {
    "a body of 300 MB that is announced": lambda: post(b"x" * 1000, length=300 * MEGABYTE),
    "a body of 300 MB that is not announced": lambda: endless_body(300),
    "a length below nothing": lambda: post(GOOD, length=-1),
    "a length that is no number": lambda: post(GOOD, length="abc"),
    "a length of a thousand digits": lambda: post(GOOD, length="9" * 1_000),
    "two lengths": lambda: post(GOOD, more=f"Content-Length: {len(GOOD) + 5}\r\n"),
    "a length and chunks": lambda: post(GOOD, more="Transfer-Encoding: chunked\r\n"),
    "a chunk of no size": lambda: chunked(b"zz\r\nx\r\n0\r\n\r\n"),
    "a chunk beyond all memory": lambda: chunked(b"FFFFFFFFFFFFFFFFFF\r\nx"),
    "a slow body": lambda: post(b"{", length=100),
    "no body at all": lambda: post(b"", length=100),
    "no content type": lambda: f"POST {PICTURE_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "a form": lambda: post(b"rows=1", kind="application/x-www-form-urlencoded"),
    "plain text": lambda: post(GOOD, kind="text/plain"),
    "a multipart boundary that never ends": lambda: post(
        b"--" + b"-" * 100_000, kind="multipart/form-data; boundary=-"
    ),
    "a csv": lambda: post(b"tenure\n1\n", kind="text/csv"),
    "a compressed body": lambda: post(zlib.compress(GOOD), more="Content-Encoding: deflate\r\n"),
    "5,000 headers": lambda: get(
        f"/models/{NAME}/openapi.json", "".join(f"X-{number}: 1\r\n" for number in range(5_000))
    ),
    "a header of 4 MB": lambda: get(f"/models/{NAME}/openapi.json", f"X: {'1' * 4 * MEGABYTE}\r\n"),
    "a header without a name": lambda: get(f"/models/{NAME}/openapi.json", ": 1\r\n"),
    "a header with a zero": lambda: get(f"/models/{NAME}/openapi.json", "X: a\0b\r\n"),
    "a header in the body's place": lambda: get(f"/models/{NAME}/openapi.json", "no header at all\r\n"),
    "a path of 4 MB": lambda: get("/" + "a" * 4 * MEGABYTE),
    "no http": lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "http 2 without having asked": lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of its own": lambda: b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "a method of its own": lambda: b"BREW /models HTTP/1.1\r\nHost: a\r\n\r\n",
    "a delete": lambda: f"DELETE /models/{NAME}/predict HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "a trace": lambda: f"TRACE /models/{NAME}/predict HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "garbage": lambda: bytes(range(256)) * 50 + b"\r\n\r\n",
    "a smuggled second request": lambda: post(GOOD, length=0, path=f"/models/{NAME}/predict"),
}


def all_requests() -> Iterator[tuple[str, Callable[[], Hostile]]]:
    for name, body in BODIES.items():
        yield name, lambda body=body: post(body)  # type: ignore[misc]
        if len(body) < MEGABYTE:
            yield f"{name}, to be explained", lambda body=body: post(body, f"/models/{NAME}/explain")  # type: ignore[misc]
    for name, content in IMAGES.items():
        yield name, lambda content=content: with_picture(content)  # type: ignore[misc]
    for path in PATHS:
        yield path, lambda path=path: get(path)  # type: ignore[misc]
    yield from RAW.items()


def picture_model() -> tuple[Model, SelfTest]:
    """A model that decodes an image and answers a constant."""
    schema = Schema((Column("photo", "image"),), "kind", "classify", classes=("cat", "dog"))
    card = replace(fit_model(None)[0].card, name=PICTURES)
    model = Model(Problem(schema, "image", "roc_auc"), (), np.array([0.6, 0.4]), card)
    columns = {"photo": [PHOTO]}
    return model, SelfTest(columns, model.outputs(conform(columns, schema)))


@pytest.fixture(scope="module", params=["plain", pytest.param("bento", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server process with a model of rows and one of images."""
    store = Store(tmp_path_factory.mktemp("hostile"))
    register_version(store, 1e-3)
    register_model(store, *picture_model(), PICTURES)
    port = free_port()
    command = [*serve(store, PICTURES), "--engine", request.param, "--body-seconds", "1", "--port", str(port)]
    with running(command, tmp_path_factory.mktemp("run"), f"http://127.0.0.1:{port}") as server:
        yield server
    store.close()


def status_of(server: Server, request: Hostile, seconds: float = 20) -> int:
    """The status of the answer to these bytes, HUNG_UP if the server closes without one."""
    url = httpx.URL(server.url)
    with socket.create_connection((url.host, url.port or 80), timeout=seconds) as connection:
        try:
            for part in [request] if isinstance(request, bytes) else request:
                connection.sendall(part)
            answer = connection.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            return HUNG_UP
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else HUNG_UP


def memory_of(process: int) -> int:
    """Kilobytes in memory of a process and all below it."""
    total = 0
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            total += int(line.split()[1])
    for task in Path(f"/proc/{process}/task").iterdir():
        total += sum(memory_of(int(child)) for child in (task / "children").read_text().split())
    return total


def good_answers(server: Server, rows: int = 1) -> bool:
    told = server.http.post(f"/models/{NAME}/predict", json={"rows": [ROW] * rows})
    seen = server.http.post(PICTURE_PATH, json={"rows": {"photo": picture(64)}})
    return (told.status_code, seen.status_code) == (200, 200)


def test_every_hostile_request_is_refused_and_leaves_nothing_behind(server: Server) -> None:
    requests = dict(all_requests())
    assert len(requests) >= 80
    # What stays after work done well: as many rows, as large a body and as large an image as are allowed.
    large = base64.b64encode(png(5_000, 5_000, zlib.compress(b"\0" * 15_001 * 5_000))).decode()
    assert server.http.post(PICTURE_PATH, json={"rows": {"photo": large}}).status_code == 200
    for _ in range(3):
        assert good_answers(server, 10_000)
        assert server.http.post("/models/churn/predict", content=b" " * 15 * MEGABYTE, headers=JSON).status_code == 400
    before = memory_of(server.process.pid)
    wrong = {}
    for name, request in requests.items():
        status = status_of(server, request())
        if status != HUNG_UP and not 400 <= status < 500:
            wrong[name] = status
    assert wrong == {}
    assert good_answers(server)
    after = memory_of(server.process.pid)
    assert after < 1.1 * before, f"{before:,} kB before, {after:,} kB after"
    output = server.output.read_text()
    assert "Traceback" not in output
    assert "passwd" not in output


def test_a_damaged_image_is_named_by_row_and_field(server: Server) -> None:
    rows = [{"photo": picture(64)}, {"photo": base64.b64encode(IMAGES["a png that is cut off"]).decode()}]
    answer = server.http.post(PICTURE_PATH, json={"rows": rows})
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["error"]["fields"]
    assert (problem["row"], problem["pointer"], problem["code"]) == (1, "/rows/1/photo", "damaged_image")


@pytest.mark.parametrize("which", ["rows", "images"])
def test_a_bad_row_fails_no_good_one_beside_it(server: Server, which: str) -> None:
    """AUTOML_POISON_ROUNDS times 30 good requests and a bad one at once."""
    if which == "rows":
        path, good, bad = f"/models/{NAME}/predict", ROW, {**ROW, "tenure": "poison"}
    else:
        path, good = PICTURE_PATH, {"photo": picture(64)}
        bad = {"photo": base64.b64encode(IMAGES["a png that is cut off"]).decode()}

    async def play() -> None:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
            for number in range(ROUNDS):
                sent = [good] * 30
                sent.insert(number % 31, bad)
                answers = await asyncio.gather(*(http.post(path, json={"rows": [row]}) for row in sent))
                statuses = [answer.status_code for answer in answers]
                assert statuses.pop(number % 31) == 422
                assert statuses == [200] * 30

    asyncio.run(play())
