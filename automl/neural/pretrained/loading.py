"""Building a pretrained network from a verified folder, and writing it into another. Imports torch and transformers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from automl.errors import ArtifactError
from automl.neural.pretrained.checkpoint import Checkpoint, config_of, read_checkpoint
from automl.neural.pretrained.timm import write_as_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Read when the library is imported: whatever it is asked, it must not reach for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def load_network(folder: Path, name: str = "") -> PreTrainedModel:
    """The network of a checkpoint without its head, float32, in eval mode.

    Raises ArtifactError with one line where the folder is no good, or its weights do not fit its config to the last.
    """
    checkpoint = read_checkpoint(folder, name)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    loader = getattr(transformers, checkpoint.kind.loader or "AutoModel")
    try:
        # What the checkpoint lacks is drawn at random, if only to be thrown away.
        with torch.random.fork_rng(), _readable(checkpoint) as home:
            network, told = loader.from_pretrained(
                home, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # of many kinds, most of many lines
        said = str(error).strip().split("\n")[0][:200].rstrip(".")
        raise ArtifactError(f"The checkpoint {checkpoint.name} cannot be loaded: {said}.", "Fetch it again.") from error
    pooler = getattr(network, "pooler", None)
    if pooler is not None and list(pooler.parameters()):
        network.pooler = None  # trained for another end than ours, or not at all
    lacking = sorted(key for key in told["missing_keys"] if not key.startswith("pooler."))
    if lacking or told.get("mismatched_keys"):
        what = f"lack {lacking[0]}" if lacking else "have another shape"
        raise ArtifactError(
            f"The weights of the checkpoint {checkpoint.name} do not belong to its config.json: they {what}.",
            "Copy or fetch both again.",
        )
    return network.eval()


@contextmanager
def _readable(checkpoint: Checkpoint) -> Iterator[Path]:
    """The folder, or one that says the same as transformers would."""
    config = config_of(checkpoint.folder)
    if "image_processor" not in config:
        yield checkpoint.folder
        return
    with tempfile.TemporaryDirectory() as home:
        write_as_transformers(checkpoint.folder, checkpoint.files, config, Path(home))
        yield Path(home)


def save_network(network: PreTrainedModel, folder: Path) -> None:
    """Write config and weights so that `load_network` gives the same network to the last bit."""
    network.save_pretrained(folder)
    for other in folder.iterdir():  # settings for the making of texts, which nobody asked for
        if other.name == "generation_config.json":
            other.unlink()


@torch.no_grad()
def laid_out(network: torch.nn.Module) -> None:
    """Convolutions channels-last, which is quicker on a CPU, and alike whatever the tensors have been through: another
    layout, if only of a side of one, is another order of sums."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            plain = parameter.detach().clone(memory_format=torch.contiguous_format)
            parameter.data = plain.clone(memory_format=torch.channels_last)
