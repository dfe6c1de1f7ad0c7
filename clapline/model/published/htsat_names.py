"""HTSAT as its authors save it → ClapAudioModel of transformers: names, the split of qkv, and sizes from shapes.

Names and shapes: LAION-AI/CLAP, src/laion_clap/clap_module/htsat.py (classes HTSAT_Swin_Transformer, BasicLayer,
SwinTransformerBlock, WindowAttention, PatchMerging, PatchEmbed); microsoft/CLAP, src/models/htsat.py has the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from clapline.errors import UserError
from clapline.model.published.parts import layers

# Inside a block: theirs → transformers'.
BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "attn.relative_position_bias_table": "attention.self.relative_position_bias_table",
    "attn.relative_position_index": "attention.self.relative_position_index",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
QKV = ("query", "key", "value")
# The front end, the classifier of AudioSet, masks that follow from the sizes, and the fusion of longer clips.
LEFT_OUT = (
    "spectrogram_extractor.",
    "logmel_extractor.",
    "tscam_conv.",
    "head.",
    "patch_embed.mel_conv2d.",
    "patch_embed.fusion_model.",
)
IN_BLOCK = re.compile(r"(layers\.\d+\.blocks\.\d+\.)(.+)")


def to_transformers(tensors: Mapping[str, Tensor], before: str) -> dict[str, Tensor]:
    """Return the authors' tensors under the names of ClapAudioModel, each with `before` in front.

    Query, key and value lie in one matrix there, one below the other, and are split. Names that are left out or
    unknown keep their name.
    """
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        inside = IN_BLOCK.fullmatch(name)
        if name.startswith(LEFT_OUT):
            named[before + name] = tensor
        elif inside is None:
            named[f"{before}audio_encoder.{re.sub('^bn0', 'batch_norm', name)}"] = tensor
        elif inside[2].startswith("attn.qkv."):
            kind = inside[2].removeprefix("attn.qkv.")
            for part, third in zip(QKV, tensor.chunk(3), strict=True):
                named[f"{before}audio_encoder.{inside[1]}attention.self.{part}.{kind}"] = third
        elif inside[2] == "attn_mask":
            named[f"{before}attn_mask.{name}"] = tensor
        else:
            theirs = next((theirs for theirs in BLOCK if inside[2].startswith(theirs)), "")
            ours = BLOCK.get(theirs, "")
            named[f"{before}audio_encoder.{inside[1]}{ours}{inside[2].removeprefix(theirs)}"] = tensor
    return named


def left_out(before: str) -> tuple[str, ...]:
    """Return the prefixes that `to_transformers` gives to what has no place in ClapAudioModel."""
    return (*(before + name for name in LEFT_OUT), f"{before}attn_mask.")


def sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes of the architecture as ClapAudioConfig names them, told from the shapes of the authors' tensors.

    HTSAT-tiny has width 96 and depths 2, 2, 6, 2; HTSAT-base 128 and 2, 2, 12, 2 (create_htsat_model). The size of the
    image shows only in the masks of shifted windows, one per window. Dropout is what the authors train with: none but
    stochastic depth up to 0.1.

    Raises:
        UserError: no HTSAT.
    """
    try:
        width, _, _, patch = tensors["patch_embed.proj.weight"].shape
        depths = [layers(tensors, f"layers.{stage}.blocks.") for stage in range(layers(tensors, "layers."))]
        tables = [tensors[f"layers.{stage}.blocks.0.{_TABLE}"].shape for stage in range(len(depths))]
        window = (math.isqrt(tables[0][0]) + 1) // 2
        mask = tensors.get("layers.0.blocks.1.attn_mask")
        hidden = tensors["layers.0.blocks.0.mlp.fc1.weight"].shape[0]
        bands = len(tensors["bn0.weight"])
    except (KeyError, IndexError) as error:
        raise UserError(f"the audio tower is no HTSAT: {error} is missing") from None
    side = 256 if mask is None else math.isqrt(len(mask)) * window * patch
    return {
        "model_type": "clap_audio_model",
        "num_mel_bins": bands,
        "spec_size": side,
        "patch_size": patch,
        "patch_stride": [patch, patch],
        "patch_embeds_hidden_size": width,
        "hidden_size": width * 2 ** (len(depths) - 1),
        "depths": depths,
        "num_attention_heads": [heads for _, heads in tables],
        "window_size": window,
        "mlp_ratio": hidden / width,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "drop_path_rate": 0.1,
    }


_TABLE = "attn.relative_position_bias_table"
