"""The policy as a file: found, read, checked, printed. A mistake is told with its file, key and what is expected."""

from __future__ import annotations

import json
import textwrap
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from automl.errors import OptionError, nearest
from automl.store import Store
from automl.store.versions import check_name
from automl_monitoring.policy import Policy

FOLDER = "policies"  # of a store
SHARED = "default"  # the policy of every model without one of its own
WIDTH = 110
INTRO = "When {name} is checked, retrained, promoted and told about. What is left out has its default."


def load_policy(path: Path | None, store: Store, name: str) -> Policy:
    """The policy in force for a model: the file given, else the model's in the store, else the store's, else defaults.

    OptionError names the file, the key, what came and what is expected.
    """
    found = path or policy_path(store, name)
    return Policy() if found is None else read_policy(found)


def policy_path(store: Store, name: str) -> Path | None:
    """The file in the store that holds for a model; None where the defaults do."""
    candidates = (store.folder / FOLDER / f"{check_name(each)}.toml" for each in (name, SHARED))
    return next((path for path in candidates if path.is_file()), None)


def read_policy(path: Path) -> Policy:
    """A policy file; what it leaves out has its default. OptionError as `load_policy` says."""
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"The policy {path} cannot be read: {(error.strerror or str(error)).lower()}."
        raise OptionError(problem, "Give another with --policy.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"The policy {path} is no TOML: {error}.", "See `automl monitor policy NAME`.") from error
    try:
        return Policy.model_validate(record)
    except ValidationError as error:
        raise _mistake(path, error) from error


def write_policy(store: Store, name: str, policy: Policy) -> Path:
    """Make this the policy of a model in the store; the file that holds it now."""
    path = store.folder / FOLDER / f"{check_name(name)}.toml"
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(as_toml(policy, name), encoding="utf-8")
    draft.replace(path)
    return path


def as_toml(policy: Policy, name: str) -> str:
    """The whole policy as TOML, each section under what its values mean."""
    parts = [_comment(INTRO.format(name=name))]
    for key in Policy.model_fields:
        section: BaseModel = getattr(policy, key)
        values = "\n".join(f"{field} = {_toml(value)}" for field, value in section)
        parts.append(f"{_comment(section.__doc__ or '')}\n[{key}]\n{values}")
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    paragraphs = textwrap.dedent(text).strip().replace("`", "").split("\n\n")
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(" ".join(paragraph.split()), WIDTH)]
    return "\n".join(f"# {line}" for line in lines)


def _toml(value: Any) -> str:
    """A value of a policy; a JSON string is a TOML string, and so are its numbers, truths and lists."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _mistake(path: Path, error: ValidationError) -> OptionError:
    """The first of the mistakes, in words: each is mended by itself."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = Policy.model_fields if len(where) == 1 else _fields_of(where[0])
        return OptionError(f"The policy {path} has no key {key}.", nearest(where[-1], known))
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return OptionError(f"The policy {path}: {key} is {_toml_or_text(first['input'])}.", f"Expected: {expected}.")


def _fields_of(section: str) -> list[str]:
    kind = Policy.model_fields[section].annotation
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _toml_or_text(value: Any) -> str:
    try:
        return _toml(value)
    except TypeError:  # a moment, which TOML knows and JSON does not
        return str(value)
