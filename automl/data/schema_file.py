"""`schema.toml`: what a fit takes its columns for, written to be read, edited and given back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from automl.data.roles import Roles, SplitKind
from automl.data.schema import Column, Kind, TaskName
from automl.errors import OptionError, nearest

KINDS = get_args(Kind)
SPLITS: tuple[SplitKind, ...] = get_args(SplitKind)
TASKS = get_args(TaskName)
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
KEYS = ("target", "task", "split", "group", "time", "weight", "exclude", "sensitive", "use_sensitive", "columns")
COMMENT_COLUMN = 40

HEAD = """\
# What the columns are taken for. Edit what is wrong and give it back:
#     automl fit DATA --schema {name}
# Kinds: number, category, boolean, datetime, text, image, ignored. A column that is not listed is inferred.
"""


@dataclass(frozen=True)
class SchemaFile:
    """What a schema.toml says. Whatever is None or absent is inferred; the columns are checked against the table."""

    target: str | None = None
    task: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)
    split: SplitKind | None = None

    def overruled_by(self, other: SchemaFile) -> SchemaFile:
        """What the other says, and where it says nothing what this one says. Lists of columns are joined."""
        roles = Roles(
            exclude=tuple(dict.fromkeys((*self.roles.exclude, *other.roles.exclude))),
            sensitive=tuple(dict.fromkeys((*self.roles.sensitive, *other.roles.sensitive))),
            use_sensitive=self.roles.use_sensitive or other.roles.use_sensitive,
            group=other.roles.group or self.roles.group,
            time=other.roles.time or self.roles.time,
            weight=other.roles.weight or self.roles.weight,
        )
        # What was a feature when the file was written may be the target now, which has no kind.
        kinds = {name: kind for name, kind in self.kinds.items() if name != other.target} | dict(other.kinds)
        return SchemaFile(other.target or self.target, other.task or self.task, kinds, roles, other.split or self.split)


def split_kind(text: str | None) -> SplitKind | None:
    """The kind of split that is meant; OptionError if there is none such."""
    if text is None:
        return None
    for kind in SPLITS:
        if text == kind:
            return kind
    raise OptionError(f"There is no split {text!r}.", nearest(text, SPLITS))


def write_schema_file(path: Path, columns: Sequence[Column], said: SchemaFile, private: Collection[str] = ()) -> None:
    """Write the kind of every column, one line each, below the target and the roles; `said.kinds` is not looked at.

    Comments tell what was seen (reason, range, levels, unit), except of `private` columns.
    """
    lines = [HEAD.format(name=path.name)]
    lines += [_entry(key, value) for key, value in (("target", said.target), ("task", said.task)) if value is not None]
    lines += _roles(said)
    lines += ["", "[columns]"]
    for column in columns:
        if not _is_unicode(column.name):  # half a character, which TOML cannot hold: the column stays inferred
            continue
        line = f"{_key(column.name)} = {_text(column.kind)}"
        comment = "" if column.name in private else _comment(column)
        lines.append(f"{line:<{COMMENT_COLUMN}}# {comment}" if comment else line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")


def read_schema_file(path: str | Path) -> SchemaFile:
    """Read what `write_schema_file` or a user wrote.

    Raises OptionError that names the line, the key and the remedy.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        record = tomllib.loads(text)
    except OSError as error:
        raise OptionError(f"The schema {path} cannot be read: {error.strerror}.", "") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"The schema {path} is not UTF-8 text.", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(
            f"The schema {path} is not TOML: {error}.", 'Each line is COLUMN = "kind"; quote odd names: "my column".'
        ) from error
    for key in record:
        if key not in KEYS:
            raise _wrong(path, text, key, f"there is no key {key!r}", nearest(key, KEYS))
    kinds = record.get("columns", {})
    if not isinstance(kinds, dict):
        raise _wrong(path, text, "columns", "columns must be a table", "Write [columns], then one line each.")
    for name, kind in kinds.items():
        if not isinstance(kind, str):
            remedy = f'Names with a dot need quotes: "{name}.…" = "number".' if isinstance(kind, dict) else ""
            raise _wrong(path, text, name, f"the kind of {name!r} is no text", remedy)
        if kind not in KINDS:
            raise _wrong(path, text, name, f"there is no kind {kind!r}", nearest(kind, KINDS))
    return SchemaFile(
        target=_word(path, text, record, "target"),
        task=_choice(path, text, record, "task", TASKS),
        kinds=kinds,
        roles=Roles(
            exclude=_words(path, text, record, "exclude"),
            sensitive=_words(path, text, record, "sensitive"),
            use_sensitive=record.get("use_sensitive") is True,
            group=_word(path, text, record, "group"),
            time=_word(path, text, record, "time"),
            weight=_word(path, text, record, "weight"),
        ),
        split=split_kind(_choice(path, text, record, "split", SPLITS)),
    )


def _roles(said: SchemaFile) -> list[str]:
    """What is set, and what is not as a comment that shows how."""
    roles = said.roles
    lines = []
    for key, value, example in (
        ("split", said.split, '"group"  # random, stratified, group or time; measured if left out'),
        ("group", roles.group, '"COLUMN"  # names the entity of a row; its rows stay together'),
        ("time", roles.time, '"COLUMN"  # orders the rows; validation lies after training'),
        ("weight", roles.weight, '"COLUMN"  # how much each row counts; not learned from'),
        ("exclude", roles.exclude or None, '["COLUMN"]  # never learned from'),
        ("sensitive", roles.sensitive or None, '["COLUMN"]  # kept for the fairness figures, not learned from'),
        ("use_sensitive", roles.use_sensitive or None, "true  # learn from the sensitive columns too"),
    ):
        lines.append(f"# {key} = {example}" if value is None else _entry(key, value))
    return lines


def _entry(key: str, value: str | bool | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}"
    if isinstance(value, tuple):
        return f"{key} = [{', '.join(map(_text, value))}]"
    return f"{key} = {_text(value)}"


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A TOML basic string; its escapes are those of JSON, and DEL must be escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _comment(column: Column) -> str:
    seen = _seen(column)
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", seen)[:120].strip()


def _seen(column: Column) -> str:
    if column.kind == "ignored":
        return column.reason
    if column.levels:
        shown = ", ".join(level if len(level) <= 24 else f"{level[:23]}…" for level in column.levels[:4])
        return shown + (f" and {len(column.levels) - 4:,} more" if len(column.levels) > 4 else "")
    if column.minimum is None or column.maximum is None:
        return ""
    if column.kind == "datetime":
        return f"{_day(column.minimum)} to {_day(column.maximum)} {' '.join(column.formats)}".strip()
    return f"{column.minimum:,.10g} to {column.maximum:,.10g} {column.unit}".strip()


def _day(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{seconds:,.10g}"


def _word(path: Path, text: str, record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(path, text, key, f"{key} must be one text", f'Example: {key} = "COLUMN"')
    return value


def _words(path: Path, text: str, record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = record.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _wrong(path, text, key, f"{key} must be a list of names", f'Example: {key} = ["COLUMN"]')
    return tuple(value)


def _choice(path: Path, text: str, record: Mapping[str, Any], key: str, choices: Sequence[str]) -> str | None:
    value = _word(path, text, record, key)
    if value is not None and value not in choices:
        raise _wrong(path, text, key, f"there is no {key} {value!r}", nearest(value, choices))
    return value


def _wrong(path: Path, text: str, key: str, problem: str, remedy: str) -> OptionError:
    line = _line_of(text, key)
    where = f"{path}, line {line}" if line else str(path)
    return OptionError(f"{where}: {problem}.", remedy)


def _line_of(text: str, key: str) -> int | None:
    """The line, from 1, that sets this key (or opens this table)."""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if key in tomllib.loads(line):
                return number
        except tomllib.TOMLDecodeError:  # a part of something longer
            continue
    return None
