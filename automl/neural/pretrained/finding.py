"""Where checkpoints lie on this machine: folders that the user names, and the caches of Hugging Face."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.errors import ArtifactError, OptionError, nearest
from automl.neural.pretrained import tables
from automl.neural.pretrained.checkpoint import CONFIG, Checkpoint, kind_of, read_checkpoint
from automl.neural.pretrained.kinds import MODALITIES, Modality

VARIABLE = "AUTOML_WEIGHTS"
TABLES = "tabular"  # the modality whose networks learn in context, and are found by `tables`
NONE = "none"  # in place of a name: use no weights, whatever there is
MOST_FOUND = 4  # of the weights that nobody named, the smallest
MOST_BYTES = 2 << 30  # weights that nobody named and are larger are left alone
INSTALL = "pip install 'automl-loop[pretrained]'"


@dataclass(frozen=True)
class Weights:
    """Checkpoints that can be used, the smallest first, and a line for each that was found and cannot."""

    usable: tuple[Checkpoint, ...] = ()
    refused: tuple[str, ...] = ()


def installed() -> bool:
    """Is the library there that builds these networks?"""
    return all(importlib.util.find_spec(name) is not None for name in ("transformers", "tokenizers"))


def asked_for(named: Sequence[str]) -> tuple[str, ...]:
    """What the user named; if nothing, what AUTOML_WEIGHTS names (several are separated as in PATH)."""
    if named:
        return tuple(named)
    return tuple(part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip())


class OtherModality(OptionError):
    """A checkpoint for texts where images are learned from, or the other way round."""


def find_weights(named: Sequence[str], modality: Modality, fetch: bool = False) -> Weights:
    """The weights for a modality: those named (folders, or names in a cache), or all that the caches hold.

    With `fetch`, a name that no cache holds is downloaded. Raises OptionError or ArtifactError with one line where what
    is named cannot be used; what nobody named and cannot be used is refused in the result.
    """
    from_environment = not named
    named = asked_for(named)
    if NONE in named:
        return Weights()
    if not named:
        return _in_caches(modality) if installed() else Weights()
    if not installed():
        raise OptionError("Pretrained weights need the library transformers, which is not installed.", INSTALL)
    found: list[Checkpoint] = []
    for each in named:
        try:
            found += _named(each, modality, fetch)
        except OtherModality:
            if not from_environment:  # which may name weights for images and for texts
                raise
    return Weights(tuple(dict.fromkeys(found)))


def chosen_weights(named: Sequence[str], modality: str, fetch: bool = False) -> dict[str, str]:
    """The folder of each checkpoint that a problem of this modality may use, by name; see `find_weights`."""
    if modality == TABLES:
        asked = asked_for(named)
        wanted = NONE not in asked and (named or tables.installed())
        return tables.table_weights(asked, bool(named), cached()) if wanted else {}
    known = next((each for each in MODALITIES if each == modality), None)
    if known is None:
        if named and NONE not in named:
            raise OptionError(f"Pretrained weights are of no use for {modality!r}.", "Leave --weights out.")
        return {}
    chosen: dict[str, str] = {}
    for checkpoint in find_weights(named, known, fetch).usable:
        name = str(checkpoint.folder) if checkpoint.name in chosen else checkpoint.name
        chosen[name] = str(checkpoint.folder)
    return chosen


def told_of_weights(chosen: Mapping[str, str], named: Sequence[str], modality: str) -> list[str]:
    """A line for each of the chosen weights, with licence and hash, and for each that was found and cannot be used."""
    if modality == TABLES:
        return tables.told_of_tables(chosen)
    lines = []
    for name, folder in chosen.items():
        checkpoint = read_checkpoint(Path(folder), name)
        size = f"{checkpoint.bytes / 1e6:,.0f} MB" if checkpoint.bytes >= 1e6 else f"{checkpoint.bytes / 1e3:,.0f} kB"
        lines.append(
            f"pretrained weights: {name} ({checkpoint.model_type}, {size}, {checkpoint.licence}, "
            f"SHA-256 {checkpoint.digest()[:16]}…); without them: --weights {NONE}"
        )
    known = next((each for each in MODALITIES if each == modality), None)
    if known and not asked_for(named) and installed():
        lines += _in_caches(known).refused
    return lines


def caches() -> list[Path]:
    """The folders where Hugging Face's libraries, timm among them, keep what they fetched."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    default = Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub"
    found = [Path(os.environ[name]) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") if os.environ.get(name)]
    return [folder.expanduser() for folder in found or [default]]


def cached() -> dict[str, Path]:
    """The newest snapshot of each repository in the caches, by its name."""
    return {name: snapshot for cache in reversed(caches()) for name, snapshot in _snapshots(cache)}


def _named(named: str, modality: Modality, fetch: bool) -> list[Checkpoint]:
    folder = Path(named).expanduser()
    if folder.is_dir():
        return _below(folder, modality)
    known = cached()
    short = {name.split("/")[-1]: name for name in known}
    name = named if named in known else short.get(named, "")
    if not name and fetch:
        from automl.neural.pretrained.fetching import fetched

        return [_fitting(read_checkpoint(fetched(named), named), modality)]
    if not name:
        looks = "There is no folder of this name, and no cache on this machine holds it."
        remedy = nearest(named, known) or "Name a folder, or allow it to be fetched: --allow-download."
        raise OptionError(f"There are no weights {named!r}. {looks}", remedy)
    return [_fitting(read_checkpoint(known[name], name), modality)]


def _below(folder: Path, modality: Modality) -> list[Checkpoint]:
    """The checkpoint that a folder is, or those of this modality that lie in it."""
    inside = {each.name: each for each in sorted(folder.iterdir()) if (each / CONFIG).is_file()}
    inside |= dict(_snapshots(folder))
    if (folder / CONFIG).is_file() or not inside:
        return [_fitting(read_checkpoint(folder), modality)]
    found = [read_checkpoint(each, name) for name, each in inside.items()]
    fitting = [checkpoint for checkpoint in found if checkpoint.kind.modality == modality]
    return fitting or [_fitting(found[0], modality)]


def _fitting(checkpoint: Checkpoint, modality: Modality) -> Checkpoint:
    made_for = checkpoint.kind.modality
    if made_for != modality:
        raise OtherModality(
            f"The checkpoint {checkpoint.name} ({checkpoint.model_type}) is one for {made_for}s, and this is a problem "
            f"of {modality}s.",
            "Name another with --weights.",
        )
    return checkpoint


def _in_caches(modality: Modality) -> Weights:
    usable, refused = [], []
    for name, folder in cached().items():
        kind = kind_of(folder)
        if kind is None or kind.modality != modality:
            continue
        try:
            checkpoint = read_checkpoint(folder, name)
        except ArtifactError as error:
            refused.append(f"pretrained weights left out: {error.problem}")
            continue
        if checkpoint.bytes <= MOST_BYTES:
            usable.append(checkpoint)
    smallest = sorted(usable, key=lambda checkpoint: (checkpoint.bytes, checkpoint.name))[:MOST_FOUND]
    return Weights(tuple(smallest), tuple(refused))


def _snapshots(cache: Path) -> Iterator[tuple[str, Path]]:
    """(name, folder) of each repository below a folder laid out as a cache: models--OWNER--NAME/snapshots/COMMIT."""
    for repository in sorted(cache.glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/")
        chosen = repository / "refs" / "main"
        commit = chosen.read_text(encoding="utf-8").strip() if chosen.is_file() else ""
        there = [each for each in (repository / "snapshots").glob("*") if each.is_dir()]
        known = sorted(there, key=lambda each: each.stat().st_mtime)
        here = [each for each in known if each.name == commit] or known[-1:]
        if here:
            yield name, here[0]
