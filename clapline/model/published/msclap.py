"""MS-CLAP's checkpoints (.pth): 2022, CNN14 and BERT; 2023, HTSAT and GPT-2.

What was read, and where. Of https://github.com/microsoft/CLAP: CLAPWrapper.py in CLAP_API (2022) and msclap, for what
goes in (clips repeated, the end of a GPT-2 caption) and how weights are loaded; src/models/audio.py (Cnn14) and
src/models/htsat.py (HTSATWrapper). In copies that others changed: the classes CLAP, AudioEncoder, TextEncoder and
Projection (lorenzo-arcioni/ResiDual-CLAP and Ming-er/Audio-Free-P-Tuning, src/models/clap.py, which agree on every name
used here), the numbers of 2022 (Ming-er/Audio-Free-P-Tuning, src/configs/config.yml) and of 2023
(Jingchensun/clap-s, msclap/configs/config_2023.yml; the numbers of audio in microsoft/CLAP's
msclap/configs/config_clapcap.yml are the same). From memory, with no file at hand: that the checkpoint of 2022 is CNN14
and BERT-base as published, with no weight beside these.

The text state is BERT's first token, or GPT-2's last one. MS-CLAP finds GPT-2's last token by counting ids other than
0, its padding, which is the id of "!": a caption with an exclamation mark ends too early there, and rightly here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio import cnn14
from clapline.model.audio.architectures import plain, restored
from clapline.model.audio.matching import renamed
from clapline.model.lookup import find_model
from clapline.model.published import htsat_names
from clapline.model.published.mel_range import FILTERS, mel_range
from clapline.model.published.parts import Published, layers, moved, temperature
from clapline.params.base import validated
from clapline.params.model import Model

AUDIO, HTSAT, TEXT = "audio_encoder.base.", "audio_encoder.base.htsat.", "caption_encoder.base."
HEAD_WIDTH = 64  # of an attention head in BERT-base and GPT-2; shapes do not tell
PLACES = {
    "audio_encoder.projection.linear1.": "audio_head.first.",
    "audio_encoder.projection.linear2.": "audio_head.second.",
    "audio_encoder.projection.layer_norm.": "audio_head.norm.",
    "caption_encoder.projection.linear1.": "text_head.first.",
    "caption_encoder.projection.linear2.": "text_head.second.",
    "caption_encoder.projection.layer_norm.": "text_head.norm.",
    TEXT: "text.encoder.",
    "logit_scale": "log_scale",
}
FRONT_END = {"kind": "clap", "sample_rate_hz": 44100, "window_samples": 1024, "hop_samples": 320, "short": "repeat"}
DURATION_S = {"cnn14": 5.0, "htsat": 7.0}
RANGE_HZ = {"cnn14": (50.0, 14000.0), "htsat": (50.0, 8000.0)}


def recognises(tensors: Mapping[str, Tensor]) -> bool:
    """Say whether the names are MS-CLAP's."""
    return any(name.startswith(AUDIO) for name in tensors)


def read(tensors: Mapping[str, Tensor], source: str, tokenizer: str | None = None) -> Published:
    """Return what the checkpoint holds, its weights under our names.

    Raises:
        UserError: an audio tower other than CNN14 or HTSAT, or a text tower other than BERT or GPT-2.
    """
    kind = "htsat" if any(name.startswith(HTSAT) for name in tensors) else "cnn14"
    tower, text = renamed(tensors, HTSAT if kind == "htsat" else AUDIO), renamed(tensors, TEXT)
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(AUDIO)}
    ours = moved(rest, PLACES)
    if kind == "htsat":
        audio_config = plain(restored(htsat_names.sizes(tower)))
        ours |= htsat_names.to_transformers(tower, "audio.encoder.")
        ignored = htsat_names.left_out("audio.encoder.")
        bands = audio_config["num_mel_bins"]
    else:
        named = cnn14.from_authors(tower)
        audio_config = cnn14.sizes_of(named)
        ours |= {f"audio.{name}": tensor for name, tensor in named.items()}
        ours |= {name: tensors[name] for name in tensors if name.startswith(_others())}
        ignored = _others()
        bands = len(named["scale.weight"]) if "scale.weight" in named else 64
    low, high = mel_range(tower.get(FILTERS), FRONT_END["sample_rate_hz"], RANGE_HZ[kind], source)
    features = FRONT_END | {
        "duration_s": DURATION_S[kind],
        "mel_bands": bands,
        "minimum_hz": low,
        "maximum_hz": high,
    }
    text_config, reading = _text(text, source)
    for needed in ("audio_head.first.weight", "log_scale"):
        if needed not in ours:
            raise UserError(f"{source} holds no {'temperature' if needed == 'log_scale' else 'projection'} ({needed})")
    settings = validated(
        Model,
        {
            "features": features,
            "audio": {"kind": kind, "states": "segment"},
            "text": {"kind": "pretrained", "model": tokenizer or reading["model"], **_without(reading, "model")},
            "head": {"kind": "residual", "dimension": len(ours["audio_head.first.weight"]), "dropout": 0.5},
            "temperature": temperature(ours["log_scale"]),
        },
        source,
    )
    # GPT-2's masks, BERT's counted positions and its pooler, which MS-CLAP does not use.
    ignored += ("text.encoder.embeddings.position_ids", "text.encoder.pooler.")
    ignored += tuple(f"text.encoder.h.{layer}.attn.{mask}" for layer in range(64) for mask in ("bias", "masked_bias"))
    folder = find_model(tokenizer or reading["model"])
    return Published(settings, audio_config, text_config, folder, ours, ignored, source)


def _others() -> tuple[str, ...]:
    return tuple(AUDIO + name for name in cnn14.OTHERS)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _text(text: Mapping[str, Tensor], source: str) -> tuple[Any, dict[str, Any]]:
    """Return the configuration of the text tower, told from its shapes, and how it reads."""
    if "wte.weight" in text:
        words, width = text["wte.weight"].shape
        config = {
            "model_type": "gpt2",
            "vocab_size": words,
            "n_embd": width,
            "n_positions": len(text["wpe.weight"]),
            "n_layer": layers(text, "h."),
            "n_head": max(1, width // HEAD_WIDTH),
            "bos_token_id": words - 1,  # <|endoftext|>, the last of the vocabulary
            "eos_token_id": words - 1,
        }
        return restored(config), {"model": "gpt2", "pooling": "last", "maximum_tokens": 77}
    if "embeddings.word_embeddings.weight" in text:
        words, width = text["embeddings.word_embeddings.weight"].shape
        config = {
            "model_type": "bert",
            "vocab_size": words,
            "hidden_size": width,
            "num_hidden_layers": layers(text, "encoder.layer."),
            "num_attention_heads": max(1, width // HEAD_WIDTH),
            "intermediate_size": len(text["encoder.layer.0.intermediate.dense.weight"]),
            "max_position_embeddings": len(text["embeddings.position_embeddings.weight"]),
            "type_vocab_size": len(text["embeddings.token_type_embeddings.weight"]),
        }
        return restored(config), {"model": "bert-base-uncased", "pooling": "first", "maximum_tokens": 100}
    raise UserError(f"{source}: the text tower is neither GPT-2 nor BERT; other text towers are not supported")
