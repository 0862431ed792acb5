"""Tiny checkpoints, written as anyone writes them: with save_pretrained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

IMAGE_KINDS = ("resnet", "vit", "convnext", "dinov2", "swin", "clip")
TEXT_KINDS = ("bert", "distilbert", "roberta")


def image_checkpoint(folder: Path, kind: str = "resnet") -> Path:
    """A network for images of 32 pixels a side."""
    import transformers as hf

    torch.manual_seed(0)
    tokens = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    picture = {"image_size": 32, "patch_size": 8}
    if kind == "resnet":
        config = hf.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16, 24], depths=[1, 1, 1], layer_type="basic", num_labels=3
        )
        network = hf.ResNetForImageClassification(config)
    elif kind == "convnext":
        network = hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32))
    elif kind == "vit":
        network = hf.ViTForImageClassification(hf.ViTConfig(**tokens, **picture, num_labels=3))
    elif kind == "dinov2":
        network = hf.Dinov2Model(hf.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, **picture))
    elif kind == "swin":
        config = hf.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2, image_size=32, patch_size=4)
        network = hf.SwinModel(config)
    else:
        network = hf.CLIPModel(hf.CLIPConfig(text_config=tokens, vision_config={**tokens, **picture}))
    network.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    hf.ViTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)
    return folder


def text_checkpoint(folder: Path, texts: Iterable[str], kind: str = "bert") -> Path:
    """A network for texts of up to 62 tokens, with a tokenizer trained on these."""
    import transformers as hf
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    common = {"vocab_size": 400, "max_position_embeddings": 64, "pad_token_id": 0}
    tokens = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    if kind == "bert":
        network = hf.BertForMaskedLM(hf.BertConfig(**common, **tokens))
    elif kind == "roberta":
        network = hf.RobertaModel(hf.RobertaConfig(**common, **tokens))
    else:
        network = hf.DistilBertModel(hf.DistilBertConfig(**common, dim=32, n_layers=2, n_heads=2, hidden_dim=64))
    network.save_pretrained(folder)
    return folder
