"""`automl client`: one typed Python module that talks to a model's endpoint and needs nothing but Python.

Written from the OpenAPI document that the version serves, so that the two cannot differ.
"""

from __future__ import annotations

import asyncio
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.errors import OptionError
from automl.store import Version
from automl_serving.app import make_app
from automl_serving.asking import openapi_of
from automl_serving.client_types import JsonSchema, classes_of, comment, inlined, references_in, source_of, type_of
from automl_serving.context import Context, Labels
from automl_serving.served import load_served

PATHS = ("/predict", "/explain", "/feedback", "/schema", "/model")  # those that a program asks
MARK = "Written by `automl client`"
TAKEN = frozenset({*keyword.kwlist, "self", "content"})  # no names for arguments

HEAD = '''"""A client of the model {name}, version {number}. {mark}; needs nothing but Python 3.11 or later.

    client = Client("http://127.0.0.1:3000")
    answer = client.predict(EXAMPLE)
"""

from __future__ import annotations

{imports}import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

__all__ = ["EXAMPLE", "Client", "NoAnswer", "Overloaded", "Refused", "ServiceError"{names}]

'''

ERRORS = '''
class ServiceError(Exception):
    """The endpoint did not do what was asked. `code` and `message` are its words, `status` that of HTTP (0 if there was
    no answer); `fields` names what in the request was wrong.
    """

    def __init__(self, status: int, code: str, message: str, fields: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(f"{message} ({status} {code})" if status else message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = list(fields)


class Refused(ServiceError):
    """The request must be changed (status 4xx)."""


class Overloaded(ServiceError):
    """Too many requests, or too much to do (429, 503): the same request may be sent again, after `retry_after` seconds.
    """

    retry_after: float = 1.0


class NoAnswer(ServiceError):
    """The endpoint cannot be reached, or did not answer in time."""


class Client:
    """The endpoint at `url`. `key` is sent with each request if the endpoint asks for one; `timeout` is in seconds."""

    def __init__(self, url: str, key: str = "", timeout: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"not the address of an endpoint: {url!r}")
        self._url = url.rstrip("/")
        self._key = key
        self._timeout = timeout
'''

PICTURE = '''

def picture(path: str) -> str:
    """An image file as it is sent: base64 text."""
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode("ascii")
'''

TRANSPORT = '''
    def _send(self, method: str, path: str, content: Any = None) -> Any:
        headers = {"Accept": "application/json"}
        body = None
        if content is not None:
            body = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(), error.headers.get("Retry-After")) from None
        except (OSError, ValueError) as error:
            raise NoAnswer(0, "no_answer", f"{self._url} did not answer: {error}") from error


def _refusal(status: int, body: bytes, retry_after: str | None) -> ServiceError:
    """The error that an answer other than 2xx tells of."""
    try:
        told = json.loads(body)["error"]
        words = (str(told["code"]), str(told["message"]), list(told.get("fields") or ()))
    except (ValueError, TypeError, KeyError):  # from a proxy in between
        words = ("unknown", body[:200].decode(errors="replace"), [])
    if status in (429, 503):
        overloaded = Overloaded(status, *words)
        if retry_after and retry_after.isdigit():
            overloaded.retry_after = float(retry_after)
        return overloaded
    return Refused(status, *words) if 400 <= status < 500 else ServiceError(status, *words)
'''


@dataclass(frozen=True)
class Operation:
    """One thing to ask. `body` is the schema of what is sent, None for nothing; `answer` that of what comes back."""

    method: str
    path: str
    said: str
    body: JsonSchema | None
    answer: JsonSchema


def write_client(version: Version, labels: Labels, path: Path) -> Path:
    """Write the client of a version; the path of the file.

    `labels` is where an endpoint would put true values. Raises OptionError if a file is there that no client is.
    """
    path = path.expanduser().resolve()
    if path.exists() and (not path.is_file() or MARK not in path.read_text(encoding="utf-8", errors="replace")):
        raise OptionError(f"{path} exists already and is no client.", "Choose another with -o FILE, or remove it.")
    served = load_served(version.name, version.number, version.folder)
    app = make_app(served, Context(version.folder, None, labels))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(client_source(asyncio.run(openapi_of(app)), version.name, version.number), encoding="utf-8")
    return path


def client_source(openapi: Mapping[str, Any], name: str, number: int) -> str:
    """The module for an endpoint with this OpenAPI document."""
    openapi = inlined(openapi, openapi["components"]["schemas"])
    components = openapi["components"]["schemas"]
    operations = list(_operations(openapi))
    row, example = _row_of(openapi, components)
    told = [part for one in operations for part in (_body(one.body, components), one.answer)]
    classes = classes_of(components, [row, *references_in(told)])
    columns = components[row.rpartition("/")[2]]["properties"].values()
    pictures = any(column.get("contentEncoding") == "base64" for column in columns)
    imports, names = ("import base64\n", ', "picture"') if pictures else ("", "")
    cells = "".join(f"    {source_of(column)}: {source_of(cell)},\n" for column, cell in example.items())
    parts = [
        HEAD.format(name=name, number=number, mark=MARK, imports=imports, names=names),
        "\n".join(f"\n{each}" for each in classes),
        f"\n\n{comment('A row that is answered.', '')}EXAMPLE: {type_of({'$ref': row})} = {{\n{cells}}}\n\n",
        PICTURE if pictures else "",
        ERRORS,
        *(_method(operation, components) for operation in operations),
        TRANSPORT,
    ]
    return "".join(parts)


def module_name(name: str) -> str:
    """What the client of a model is called unless the user says otherwise."""
    plain = re.sub(r"\W", "_", name)
    return f"{plain if plain[:1].isalpha() else f'model_{plain}'}_client"


def _operations(openapi: Mapping[str, Any]) -> Iterator[Operation]:
    for path in PATHS:
        for method, told in openapi["paths"].get(path, {}).items():
            answer = _json_of(told.get("responses", {}).get("200", {}))
            body = _json_of(told["requestBody"]) if "requestBody" in told else None
            if answer is not None and (body is not None or "requestBody" not in told):
                yield Operation(method.upper(), path, told.get("summary", ""), body, answer)


def _json_of(told: Mapping[str, Any]) -> JsonSchema | None:
    schema: JsonSchema | None = told.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _row_of(openapi: Mapping[str, Any], components: Mapping[str, JsonSchema]) -> tuple[str, Mapping[str, Any]]:
    """The component of a row, and the one that the document shows."""
    content = openapi["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    body = content["schema"]
    rows = components[body["$ref"].rpartition("/")[2]]["properties"]["rows"]
    shown = content["example"]["rows"]
    return next(references_in(rows)), shown if isinstance(shown, dict) else shown[0]


def _method(operation: Operation, components: Mapping[str, JsonSchema]) -> str:
    """The source of the method of one operation: the fields of its body are the arguments."""
    name = operation.path.removeprefix("/").replace("/", "_")
    kind = type_of(operation.answer)
    arguments, sent = _arguments(operation.body, components)
    said = " ".join(operation.said.split()).replace("\\", "").replace('"', "'") or name
    call = f"self._send({source_of(operation.method)}, {source_of(operation.path)}{', content' if sent else ''})"
    lines = [
        f"\n    def {name}(self{arguments}) -> {kind}:",
        f'        """{said}."""',
        *(f"        {line}" for line in sent),
        f"        return cast({source_of(kind)}, {call})",
    ]
    return "\n".join(lines) + "\n"


def _arguments(body: JsonSchema | None, components: Mapping[str, JsonSchema]) -> tuple[str, list[str]]:
    """The arguments for a body, and the lines that put it together from them."""
    if body is None:
        return "", []
    schema = _body(body, components) or {}
    properties: Mapping[str, JsonSchema] = schema.get("properties", {})
    if not properties or not all(key.isidentifier() and key not in TAKEN for key in properties):
        return f", content: {_given(body)}", ["content = content"]
    required = [key for key in properties if key in schema.get("required", ())]
    optional = [key for key in properties if key not in required]
    arguments = "".join(f", {key}: {_given(properties[key])}" for key in required)
    arguments += "".join(f", {key}: {_optional(properties[key])} = None" for key in optional)
    lines = [f"content: dict[str, Any] = {{{', '.join(f'{source_of(key)}: {key}' for key in required)}}}"]
    for key in optional:
        lines += [f"if {key} is not None:", f"    content[{source_of(key)}] = {key}"]
    return arguments, lines


def _body(body: JsonSchema | None, components: Mapping[str, JsonSchema]) -> JsonSchema | None:
    """The schema of a body, also where it is told by reference."""
    return components[body["$ref"].rpartition("/")[2]] if body is not None and "$ref" in body else body


def _given(schema: JsonSchema) -> str:
    """The type of an argument: any sequence will do for a list."""
    return type_of(schema).replace("list[", "Sequence[")


def _optional(schema: JsonSchema) -> str:
    kind = _given(schema)
    return kind if kind == "Any" or kind.endswith("None") else f"{kind} | None"
