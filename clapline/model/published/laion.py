"""LAION-CLAP's own checkpoints (.pt): HTSAT and RoBERTa, e.g. 630k-audioset-best.pt.

Names and shapes: LAION-AI/CLAP, src/laion_clap/clap_module/model.py (class CLAP), htsat.py, factory.py
(load_state_dict); the same mapping, for other purposes, in transformers' convert_clap_original_pytorch_to_hf.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.architectures import plain, restored
from clapline.model.audio.htsat import FUSION
from clapline.model.audio.matching import renamed
from clapline.model.lookup import find_model
from clapline.model.published import htsat_names
from clapline.model.published.clap_model import IGNORED, PLACES, clap_settings
from clapline.model.published.mel_range import FILTERS, mel_range
from clapline.model.published.parts import Published, layers, moved

WRAPPER = "module."  # of DistributedDataParallel
AUDIO, TEXT = "audio_branch.", "text_branch."
TOKENIZER = "roberta-base"
HEAD_WIDTH = 64  # of an attention head in RoBERTa-base and -large; shapes do not tell
# The projections are Sequential(Linear, ReLU, Linear) there.
PROJECTIONS = {
    f"{side}_projection.{theirs}.": f"{side}_projection.linear{ours}."
    for side in ("audio", "text")
    for theirs, ours in ((0, 1), (2, 2))
}
# A second pair of projections that only a loss of training used; the buffer of another text encoder.
UNUSED = ("audio_transform.", "text_transform.", "attn_mask")
# Model configs HTSAT-tiny.json and HTSAT-base.json; 48 kHz as in laion_clap/hook.py.
FRONT_END = {"sample_rate_hz": 48000, "window_samples": 1024, "hop_samples": 480, "duration_s": 10.0}
RANGE_HZ = (50.0, 14000.0)


def recognises(tensors: Mapping[str, Tensor]) -> bool:
    """Say whether the names are LAION-CLAP's."""
    return any(name.removeprefix(WRAPPER).startswith(AUDIO) for name in tensors)


def read(tensors: Mapping[str, Tensor], source: str, tokenizer: str | None = None) -> Published:
    """Return what the checkpoint holds, its weights under our names, by way of transformers' names.

    Raises:
        UserError: another audio tower than HTSAT or text tower than RoBERTa; feature fusion of a kind we cannot hear.
    """
    tensors = {name.removeprefix(WRAPPER): tensor for name, tensor in tensors.items()}
    tower, text = renamed(tensors, AUDIO), renamed(tensors, TEXT)
    audio_config = plain(restored(htsat_names.sizes(tower)))
    features = FRONT_END | {"kind": "clap", "mel_bands": audio_config["num_mel_bins"]}
    if any(f"audio_encoder.{name}".startswith(FUSION) for name in tower):
        low, high = RANGE_HZ  # fused clips are heard by torchaudio's filters, which no checkpoint holds
        features["mel_scale"] = "htk"
    else:
        low, high = mel_range(tower.get(FILTERS), FRONT_END["sample_rate_hz"], RANGE_HZ, source)
    text_config = roberta_config(text, source)
    named = {name: tensor for name, tensor in tensors.items() if not name.startswith((AUDIO, TEXT))}
    named = moved(named, PROJECTIONS) | htsat_names.to_transformers(tower, "audio_model.")
    named |= {f"text_model.{name}": tensor for name, tensor in text.items()}
    ours = moved(named, PLACES)
    ignored = (*IGNORED, *UNUSED, *htsat_names.left_out("audio.encoder."))
    if "audio_head.first.weight" not in ours:
        raise UserError(f"{source} holds no projection of the audio (audio_projection.0.weight)")
    dimension = len(ours["audio_head.first.weight"])
    reader = tokenizer or TOKENIZER
    settings = clap_settings(ours, features | {"minimum_hz": low, "maximum_hz": high}, source, dimension, reader)
    folder = find_model(reader)
    return Published(settings, audio_config, text_config, folder, ours, ignored, source)


def roberta_config(text: Mapping[str, Tensor], source: str):  # noqa: ANN201 - a configuration of transformers
    """Return the configuration of the text tower, told from its shapes.

    The epsilon of layer norms is RoBERTa's own, 1e-5, with which these models are trained; ClapTextConfig has 1e-12.

    Raises:
        UserError: no RoBERTa: LAION-CLAP can also be built with BERT, BART or a transformer from scratch.
    """
    words = text.get("embeddings.word_embeddings.weight")
    kinds = text.get("embeddings.token_type_embeddings.weight")
    # RoBERTa has one kind of token, BERT two.
    if words is None or kinds is None or len(kinds) != 1 or "pooler.dense.weight" not in text:
        raise UserError(f"{source}: the text tower is no RoBERTa with a pooler; other text towers are not supported")
    width = words.shape[1]
    return restored(
        {
            "model_type": "clap_text_model",
            "vocab_size": len(words),
            "hidden_size": width,
            "num_hidden_layers": layers(text, "encoder.layer."),
            "num_attention_heads": max(1, width // HEAD_WIDTH),
            "intermediate_size": len(text["encoder.layer.0.intermediate.dense.weight"]),
            "max_position_embeddings": len(text["embeddings.position_embeddings.weight"]),
            "layer_norm_eps": 1e-5,
        }
    )
