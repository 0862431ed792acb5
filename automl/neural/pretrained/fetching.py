"""Downloading a checkpoint from the Hugging Face hub: only by name, and only where the user allowed it."""

from __future__ import annotations

from pathlib import Path

from automl.errors import OptionError

FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "README.md")  # never a pickle, never code


def fetched(name: str) -> Path:
    """The folder in the cache that now holds this repository. OptionError where it could not be fetched."""
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # no network, no such name, no right to it, and what the client thinks of
        said = str(error).strip().split("\n")[0][:200].rstrip(".")
        raise OptionError(f"The weights {name!r} could not be fetched: {said}.", "Name a folder instead.") from error
