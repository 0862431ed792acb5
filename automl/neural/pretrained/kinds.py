"""The kinds of networks that can be started from, by the `model_type` of their config.json.

Source: the configurations of transformers 5 (`transformers/models/*/configuration_*.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")


@dataclass(frozen=True)
class Kind:
    """What has to be known of a kind of network besides its config.

    `first`: the first token sums up the image. `resizes`: it takes images of any side. `loader`: the class that loads
    the one part we use of a checkpoint with several, AutoModel where empty.
    """

    modality: Modality
    first: bool = False
    resizes: bool = False
    loader: str = ""


GRID = Kind("image", resizes=True)  # convolutions: the mean over the places of a map of features
TOKENS = Kind("image")  # patches without a token that sums up
CLASS = Kind("image", first=True, resizes=True)
TEXT = Kind("text")

KINDS: dict[str, Kind] = {
    "beit": Kind("image", first=True),
    "clip": Kind("image", first=True, resizes=True, loader="CLIPVisionModel"),
    "clip_vision_model": Kind("image", first=True, resizes=True, loader="CLIPVisionModel"),
    "convnext": GRID,
    "convnextv2": GRID,
    "deit": CLASS,
    "dinov2": CLASS,
    "dinov2_with_registers": CLASS,
    "efficientnet": GRID,
    "mobilenet_v2": GRID,
    "regnet": GRID,
    "resnet": GRID,
    "siglip": Kind("image", resizes=True, loader="SiglipVisionModel"),
    "siglip_vision_model": Kind("image", resizes=True, loader="SiglipVisionModel"),
    "swin": TOKENS,
    "swinv2": TOKENS,
    "vit": CLASS,
    "vit_msn": CLASS,
    "albert": TEXT,
    "bert": TEXT,
    "camembert": TEXT,
    "deberta": TEXT,
    "deberta-v2": TEXT,
    "distilbert": TEXT,
    "electra": TEXT,
    "modernbert": TEXT,
    "mpnet": TEXT,
    "roberta": TEXT,
    "xlm-roberta": TEXT,
}
