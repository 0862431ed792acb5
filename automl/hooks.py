"""The hooks on one page, and finding the plugins that fill them.

A plugin is a module named by an entry point of the group `automl.plugins`; its functions marked with
`@hookimpl` register objects, whose methods are then called. A plugin that fails is kept with its error
and breaks nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from automl.errors import PluginError, SourceError, nearest

if TYPE_CHECKING:
    import typer

    from automl.data.reading import Reader, Table, Wanted
    from automl.data.schema import Schema
    from automl.metrics import Metric
    from automl.task import Architecture, Task

GROUP = "automl.plugins"
hookspec = pluggy.HookspecMarker("automl")
hookimpl = pluggy.HookimplMarker("automl")


@dataclass(frozen=True)
class Event:
    """Something that happened: `trial_finished`, `version_registered`, `check_finished`, `promoted`, and what the watch
    tells of: `state_changed` (healthy, watch, act or blocked), `asked`, `retrained`, `kept`, `rolled_back`, `failed`.

    `detail` is plain JSON.
    """

    kind: str
    model: str
    detail: Mapping[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]


class Hooks:
    """Every hook. Implement any of them in a module and name the module in an entry point."""

    @hookspec
    def automl_readers(self) -> list[Reader]:  # type: ignore[empty-body]
        """Readers of sources that are not plain tables. Called once, when a source is read."""

    @hookspec
    def automl_tasks(self) -> list[Task]:  # type: ignore[empty-body]
        """Task plugins (modalities). Called once, when a search or a model needs them."""

    @hookspec
    def automl_architectures(self) -> list[Architecture]:  # type: ignore[empty-body]
        """Further model families for existing modalities. Called with `automl_tasks`."""

    @hookspec
    def automl_metrics(self) -> list[Metric]:  # type: ignore[empty-body]
        """Further metrics for `--metric`. Called when a metric is looked up."""

    @hookspec
    def automl_commands(self, app: typer.Typer) -> None:
        """Add commands to the command line. Called at every start: import heavy parts in the command."""

    @hookspec
    def automl_listeners(self) -> list[Listener]:  # type: ignore[empty-body]
        """Functions that are told of every `Event`. An error in one is reported, never raised."""


@dataclass(frozen=True)
class Plugin:
    """An installed plugin, whether it loaded or not. `error` is empty when it did."""

    name: str
    module: str
    distribution: str
    version: str
    error: str = ""
    hooks: tuple[str, ...] = ()


class Plugins:
    """The loaded plugins of one process. Use `plugins()`; this class is public for tests."""

    def __init__(self, entry_points: list[metadata.EntryPoint]) -> None:
        self._manager = pluggy.PluginManager("automl")
        self._manager.add_hookspecs(Hooks)
        self._records: dict[str, Plugin] = {}
        for entry_point in entry_points:
            self._load(entry_point)

    def _load(self, entry_point: metadata.EntryPoint) -> None:
        origin = entry_point.dist
        record = Plugin(
            entry_point.name, entry_point.value, origin.name if origin else "?", origin.version if origin else "?"
        )
        if entry_point.name in self._records:
            other = self._records[entry_point.name]
            name = f"{entry_point.name} ({record.distribution})"
            self._records[name] = replace(record, error=f"the name is taken by {other.distribution}")
            return
        try:
            module = entry_point.load()
            misspelt = [
                name for name in vars(module) if name.startswith("automl_") and callable(vars(module)[name])
                and hasattr(vars(module)[name], "automl_impl") and not hasattr(Hooks, name)
            ]  # fmt: skip
            if misspelt:
                raise PluginError(f"There is no hook {misspelt[0]!r}.", nearest(misspelt[0], _hook_names()))
            self._manager.register(module, name=entry_point.name)
        except Exception as error:  # a stranger's module may raise anything at import
            if self._manager.has_plugin(entry_point.name):  # one of its hooks did not fit, the others are in
                self._manager.unregister(name=entry_point.name)
            self._records[record.name] = replace(record, error=f"{type(error).__name__}: {error}")
            return
        hooks = tuple(name for name in _hook_names() if hasattr(vars(module).get(name), "automl_impl"))
        self._records[record.name] = replace(record, hooks=hooks)

    def records(self) -> list[Plugin]:
        """Every installed plugin in the order of loading, with the error of those that failed."""
        return list(self._records.values())

    def call(self, hook: str, **arguments: object) -> Iterator[tuple[str, Any]]:
        """(plugin name, result) of every plugin that fills this hook, first registered first."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            given = [arguments[argument] for argument in implementation.argnames]
            try:
                result = implementation.function(*given)
            except Exception as error:  # one plugin's failure must not be everybody's
                self.blame(name, hook, error)
                continue
            yield name, result

    def blame(self, name: str, where: str, error: Exception) -> None:
        """Keep a plugin's error with its record, for `automl plugins` to show."""
        self._records[name] = replace(self._records[name], error=f"{where}: {type(error).__name__}: {error}")

    def collect(self, hook: str) -> list[Any]:
        """All objects that the plugins register through a hook."""
        found: list[Any] = []
        for name, things in self.call(hook):
            try:
                found += things
            except Exception as error:  # None instead of a list, or a generator that raises
                self.blame(name, hook, error)
        return found

    def announce(self, event: Event) -> None:
        """Tell every listener of an event; the error of one is kept with its plugin."""
        for name, listeners in self.call("automl_listeners"):
            try:
                for listener in listeners:
                    listener(event)
            except Exception as error:  # a listener only watches: it cannot stop what it watches
                self.blame(name, "listener", error)


def _hook_names() -> list[str]:
    return [name for name in vars(Hooks) if name.startswith("automl_")]


@functools.cache
def plugins() -> Plugins:
    """The installed plugins, loaded on first use."""
    found = sorted(metadata.entry_points(group=GROUP), key=lambda entry_point: entry_point.name)
    return Plugins(found)


@functools.cache
def tasks() -> dict[str, Task]:
    """Every task plugin by name."""
    return {task.name: task for task in plugins().collect("automl_tasks")}


@functools.cache
def architectures(modality: str) -> dict[str, Architecture]:
    """Every architecture of a modality by name: its own first, then what other plugins add."""
    own = find_task(modality).architectures()
    added = plugins().collect("automl_architectures")
    return {family.name: family for family in [*own, *added] if family.modality == modality}


def find_task(name: str) -> Task:
    """The task plugin of this name; PluginError with the reason when there is none."""
    if name in tasks():
        return tasks()[name]
    broken = [record for record in plugins().records() if record.error]
    remedy = f"The plugin {broken[0].name!r} failed to load: {broken[0].error}." if broken else nearest(name, tasks())
    if not plugins().records():
        remedy = "No plugin is installed: install this project with pip, also in a checkout (pip install -e .)."
    raise PluginError(f"There is no task plugin {name!r}.", remedy)


def match_task(schema: Schema) -> Task:
    """The task plugin that suits a schema best; PluginError if none does."""
    ranked = sorted(tasks().values(), key=lambda task: task.suits(schema), reverse=True)
    if not ranked or ranked[0].suits(schema) <= 0:
        find_task("tabular")
        kinds = ", ".join(sorted({column.kind for column in schema.used}))
        raise PluginError(f"No task plugin can learn from these columns ({kinds}).", "See `automl plugins`.")
    return ranked[0]


def find_architecture(modality: str, name: str) -> Architecture:
    """The architecture of this name; PluginError if it is not installed."""
    known = architectures(modality)
    if name not in known:
        raise PluginError(f"There is no {modality} architecture {name!r}.", nearest(name, known))
    return known[name]


def read_source(source: str | Path, wanted: Wanted | None = None) -> Table:
    """Read any source that an installed reader accepts: a file, a folder, files by a pattern, the address of a file or
    of a database. `wanted` chooses among several tables. SourceError if nothing can be read."""
    from automl.data import remote, several
    from automl.data.reading import Wanted

    wanted = wanted or Wanted()
    written = str(source)
    if remote.is_database(written):
        from automl.data.sql import read_address

        return read_address(written, wanted)
    if remote.is_address(written):
        return remote.read_remote(written, lambda path: _read_path(path, wanted))
    if several.is_pattern(written):
        return several.read_several(written, lambda path: _read_path(Path(path), wanted))
    return _read_path(source, wanted)


def _read_path(source: str | Path, wanted: Wanted) -> Table:
    from automl.data.reading import READABLE, TableReader, existing

    path = existing(source)
    for reader in (TableReader(), *plugins().collect("automl_readers")):
        if reader.accepts(path):
            table: Table = reader.read(path, wanted)
            return table
    what = (
        "folder without images or texts in class sub-folders" if path.is_dir() else f"{path.suffix or 'nameless'} file"
    )
    raise SourceError(f"{path} is a {what}, which no reader takes.", f"What can be read: {READABLE}.")


def announce(event: Event) -> None:
    """Tell every listener of an event. A listener's error is kept with its plugin, never raised."""
    plugins().announce(event)
