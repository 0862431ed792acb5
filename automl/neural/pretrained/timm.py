"""Checkpoints as timm publishes them: plain ResNets and vision transformers, under the names that transformers knows.

timm's config.json names an architecture; the sizes are read off the tensors. A relative with further tensors (squeeze
and excitation, a deep stem, layer scale, registers …) is none of these, and is refused.

Source: the names of the tensors in timm's resnet.py and vision_transformer.py, and in transformers' ResNet and ViT.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]

FAMILIES = {"resnet": "resnet", "vit": "vit", "deit": "vit"}  # the begin of an architecture's name, and its model_type
HEAD_WIDTH = 64  # of an attention head, which no tensor shows; the huge ones have others
OTHER_WIDTHS = ("huge", "giant", "so150m", "so400m")
EPSILON = 1e-6  # of timm's layer norms
HEADS = re.compile(r"(fc|head)\.(weight|bias)")
STAGE, BLOCK = r"layer(\d+)\.(\d+)", r"encoder.stages.-\1.layers.\2"
RESNET = (
    (re.compile(r"conv1\.(weight)"), r"embedder.embedder.convolution.\1"),
    (re.compile(r"bn1\.(\w+)"), r"embedder.embedder.normalization.\1"),
    (re.compile(STAGE + r"\.conv(\d)\.(weight)"), BLOCK + r".layer.-\3.convolution.\4"),
    (re.compile(STAGE + r"\.bn(\d)\.(\w+)"), BLOCK + r".layer.-\3.normalization.\4"),
    (re.compile(STAGE + r"\.downsample\.0\.(weight)"), BLOCK + r".shortcut.convolution.\3"),
    (re.compile(STAGE + r"\.downsample\.1\.(\w+)"), BLOCK + r".shortcut.normalization.\3"),
)
VIT = (
    (re.compile(r"cls_token"), "embeddings.cls_token"),
    (re.compile(r"pos_embed"), "embeddings.position_embeddings"),
    (re.compile(r"patch_embed\.proj\.(\w+)"), r"embeddings.patch_embeddings.projection.\1"),
    (re.compile(r"blocks\.(\d+)\.norm1\.(\w+)"), r"encoder.layer.\1.layernorm_before.\2"),
    (re.compile(r"blocks\.(\d+)\.norm2\.(\w+)"), r"encoder.layer.\1.layernorm_after.\2"),
    (re.compile(r"blocks\.(\d+)\.attn\.qkv\.(\w+)"), r"encoder.layer.\1.attention.attention.{}.\2"),
    (re.compile(r"blocks\.(\d+)\.attn\.proj\.(\w+)"), r"encoder.layer.\1.attention.output.dense.\2"),
    (re.compile(r"blocks\.(\d+)\.mlp\.fc1\.(\w+)"), r"encoder.layer.\1.intermediate.dense.\2"),
    (re.compile(r"blocks\.(\d+)\.mlp\.fc2\.(\w+)"), r"encoder.layer.\1.output.dense.\2"),
    (re.compile(r"norm\.(\w+)"), r"layernorm.\1"),
)


def is_timm(config: Mapping[str, Any]) -> bool:
    """Is this config.json one of timm's?"""
    return "architecture" in config and "model_type" not in config


def model_type_of(config: Mapping[str, Any]) -> str:
    """What transformers calls the family of an architecture of timm; empty for one that is not known here."""
    return FAMILIES.get(re.split(r"[_\d]", str(config["architecture"]))[0], "")


def as_config(config: Mapping[str, Any], shapes: Shapes) -> dict[str, Any] | None:
    """The config.json that transformers would have for these tensors; None where they are not of a plain network."""
    kind = model_type_of(config)
    if not kind or any(_renamed(name, kind) is None for name in shapes if not HEADS.fullmatch(name)):
        return None
    try:
        sizes = _resnet(shapes) if kind == "resnet" else _vit(str(config["architecture"]), shapes)
    except (KeyError, IndexError, ValueError):
        return None
    told = config.get("pretrained_cfg") or config
    side = int((told.get("input_size") or (3, 224, 224))[-1])
    seen = {"image_mean": told.get("mean"), "image_std": told.get("std"), "size": {"height": side, "width": side}}
    stated = {"license": told["license"]} if told.get("license") else {}
    return {"model_type": kind, **sizes, **stated, "image_processor": seen}


def write_as_transformers(folder: Path, files: tuple[str, ...], config: Mapping[str, Any], home: Path) -> None:
    """A folder that transformers reads, of a checkpoint of timm's with this config of `as_config`."""
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in load_file(folder / file).items():
            renamed = _renamed(name, config["model_type"])
            if renamed is None:
                continue
            parts = tensor.chunk(3) if "{}" in renamed else [tensor]
            for part, role in zip(parts, ("query", "key", "value"), strict=False):
                tensors[renamed.format(role)] = part.contiguous()
    save_file(tensors, home / "model.safetensors", metadata={"format": "pt"})
    plain = {name: value for name, value in config.items() if name not in ("image_processor", "license")}
    (home / "config.json").write_text(json.dumps(plain), encoding="utf-8")


def _renamed(name: str, kind: str) -> str | None:
    """A tensor's name in transformers, `{}` in it for query, key and value; None for none."""
    for pattern, template in RESNET if kind == "resnet" else VIT:
        if pattern.fullmatch(name):
            found = pattern.sub(template, name)
            return re.sub(r"-(\d+)", lambda number: str(int(number[1]) - 1), found)
    return None


def _resnet(shapes: Shapes) -> dict[str, Any]:
    stages = sorted({int(found[1]) for name in shapes if (found := re.match(r"layer(\d+)\.", name))})
    last = 3 if "layer1.0.conv3.weight" in shapes else 2
    widths = [shapes[f"layer{stage}.0.conv{last}.weight"][0] for stage in stages]
    inner = shapes["layer1.0.conv1.weight"][0]
    if shapes["conv1.weight"][1:] != (3, 7, 7) or inner * (4 if last == 3 else 1) != widths[0]:
        raise ValueError
    return {
        "embedding_size": shapes["conv1.weight"][0],
        "hidden_sizes": widths,
        "depths": [sum(f"layer{stage}.{block}.conv1.weight" in shapes for block in range(100)) for stage in stages],
        "layer_type": "bottleneck" if last == 3 else "basic",
    }


def _vit(architecture: str, shapes: Shapes) -> dict[str, Any]:
    width, channels, patch, _ = shapes["patch_embed.proj.weight"]
    side = math.isqrt(shapes["pos_embed"][1] - 1)
    known = not any(size in architecture for size in OTHER_WIDTHS)
    if channels != 3 or side * side != shapes["pos_embed"][1] - 1 or shapes["cls_token"] != (1, 1, width) or not known:
        raise ValueError
    return {
        "hidden_size": width,
        "num_hidden_layers": sum(f"blocks.{block}.norm1.weight" in shapes for block in range(1_000)),
        "num_attention_heads": max(width // HEAD_WIDTH, 1),
        "intermediate_size": shapes["blocks.0.mlp.fc1.weight"][0],
        "image_size": side * patch,
        "patch_size": patch,
        "qkv_bias": "blocks.0.attn.qkv.bias" in shapes,
        "layer_norm_eps": EPSILON,
    }
