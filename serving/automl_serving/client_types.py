"""The types of an OpenAPI document as Python source: what a written client promises to a type checker."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

JsonSchema = Mapping[str, Any]

PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
PREFIX = "#/components/schemas/"
DATA = frozenset({"example", "examples", "enum", "const", "default"})


def type_of(schema: JsonSchema) -> str:
    """The Python type of the JSON that a schema allows."""
    if "$ref" in schema:
        return class_name(schema["$ref"])
    if "const" in schema or "enum" in schema:
        return _literal(schema.get("enum", [schema.get("const")]), schema)
    for together in ("anyOf", "oneOf"):
        if together in schema:
            return _union(type_of(each) for each in schema[together])
    if len(schema.get("allOf", ())) == 1:
        return type_of(schema["allOf"][0])
    kinds = schema.get("type", "any")
    if isinstance(kinds, list):
        return _union(type_of({**schema, "type": kind}) for kind in kinds)
    if kinds == "array":
        return f"list[{type_of(schema.get('items', {}))}]"
    if kinds == "object":
        values = schema.get("additionalProperties", {})
        return f"dict[str, {type_of(values) if isinstance(values, Mapping) else 'Any'}]"
    return PLAIN.get(kinds, "Any")


def class_name(reference: str) -> str:
    """The name of a component as that of a class."""
    return re.sub(r"\W", "_", reference.removeprefix(PREFIX))


def classes_of(components: Mapping[str, JsonSchema], wanted: Iterable[str]) -> Iterator[str]:
    """The source of a TypedDict for each wanted component (by reference) and each that they refer to, those first."""
    done: set[str] = set()
    for reference in wanted:
        yield from _with_needs(reference, components, done)


def inlined(value: Any, components: Mapping[str, JsonSchema]) -> Any:
    """The same with plain components, which are no objects with fields, in the place of the references to them."""
    if isinstance(value, list):
        return [inlined(each, components) for each in value]
    if not isinstance(value, Mapping):
        return value
    known = components.get(str(value.get("$ref", "")).removeprefix(PREFIX))
    if known is not None and "properties" not in known:
        return inlined(known, components)
    return {key: each if _is_data(key, each) else inlined(each, components) for key, each in value.items()}


def references_in(schema: Any) -> Iterator[str]:
    """Every component that a schema refers to, in its order."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for key, value in schema.items():
            if not _is_data(key, value):
                yield from references_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references_in(value)


def _is_data(key: str, value: Any) -> bool:
    """Is this no schema in a schema? A field may have such a name as well, and then it is one."""
    return key in DATA and not (isinstance(value, Mapping) and ("type" in value or "anyOf" in value or "$ref" in value))


def source_of(value: Any) -> str:
    """A JSON scalar as Python source."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def comment(text: str, indent: str = "    ") -> str:
    """A description as one comment line, whatever it holds; nothing for an empty one."""
    words = " ".join(text.split())
    return f"{indent}# {words}\n" if words else ""


def _with_needs(reference: str, components: Mapping[str, JsonSchema], done: set[str]) -> Iterator[str]:
    if reference in done:
        return
    done.add(reference)
    schema = components[reference.removeprefix(PREFIX)]
    for other in references_in(schema):
        yield from _with_needs(other, components, done)
    yield _class(class_name(reference), schema)


def _class(name: str, schema: JsonSchema) -> str:
    properties: Mapping[str, JsonSchema] = schema.get("properties", {})
    if not properties:
        return f"{name} = {type_of(schema)}\n"
    required = schema.get("required", ())
    fields = [
        (key, field.get("description", ""), type_of(field) if key in required else f"NotRequired[{type_of(field)}]")
        for key, field in properties.items()
    ]
    if all(key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("__") for key in properties):
        lines = "".join(f"{comment(said)}    {key}: {kind}\n" for key, said, kind in fields)
        return f"class {name}(TypedDict):\n{lines}"
    lines = "".join(f"{comment(said, ' ' * 8)}        {source_of(key)}: {kind},\n" for key, said, kind in fields)
    return f"{name} = TypedDict(\n    {source_of(name)},\n    {{\n{lines}    }},\n)\n"


def _literal(values: Iterable[Any], schema: JsonSchema) -> str:
    known = list(values)
    if any(isinstance(value, float) for value in known):  # no Literal has floats
        return PLAIN.get(str(schema.get("type", "number")), "float")
    return f"Literal[{', '.join(map(source_of, known))}]"


def _union(kinds: Iterable[str]) -> str:
    flat = [part for kind in kinds for part in ([kind] if "[" in kind else kind.split(" | "))]
    known = list(dict.fromkeys(flat))
    if "Any" in known:
        return "Any"
    # An int is taken where a float is.
    kept = [kind for kind in known if not (kind == "int" and "float" in known)]
    return " | ".join([kind for kind in kept if kind != "None"] + [kind for kind in kept if kind == "None"])
