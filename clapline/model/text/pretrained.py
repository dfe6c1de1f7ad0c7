"""Published text encoders: any text model of transformers by id or folder, and the text tower of a ClapModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, processors
from torch import nn

from clapline.errors import UserError
from clapline.model.lookup import find_model
from clapline.model.text.architecture import adapt, is_causal, pooling_option, text_model_class
from clapline.model.text.encoder import COUNTED
from clapline.model.text.tokenizer import CaptionTokenizer
from clapline.params.text_encoder import TextEncoder

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")


def load_published(settings: TextEncoder) -> tuple[nn.Module, CaptionTokenizer]:
    """Return the text model with its published weights, and its tokenizer.

    Raises:
        UserError: nowhere to be had, no safetensors, no text model, weights that do not cover the model, or no fast
            tokenizer.
    """
    folder = find_model(settings.model or "")
    weight_files(folder)
    config = read_config(folder)
    return _read_weights(folder, config, settings), published_tokenizer(folder, text_config(config), settings)


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files of a model's folder, sorted. Raises UserError when it holds none in safetensors."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no model.safetensors; other formats are not loaded")
    return files


def read_config(folder: Path) -> Any:
    """Return the config in a folder. Raises UserError when it is missing or of no known model."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers checks values in its own classes, whose names differ between versions
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder} holds no config of a model that transformers knows: {reason}") from None


def text_config(config: Any) -> Any:
    """Return the config of the text model: for a whole ClapModel that of its text tower."""
    return config.text_config if config.model_type == "clap" else config


def _read_weights(folder: Path, config: Any, settings: TextEncoder) -> nn.Module:
    """Return the model in float32 with the settings' dropout, with a pooler only where they pool by it."""
    from transformers import ClapModel
    from transformers.utils import logging

    whole = config.model_type == "clap"
    family = text_model_class(text_config(config))
    options = pooling_option(family, settings)
    adapt(text_config(config), settings)
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()  # of reading a weights file; not quiet off a terminal by itself
    logging.set_verbosity_error()  # heads that are left out are no news; what is missing is said below
    try:
        model, report = (ClapModel if whole else family).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            local_files_only=True,
            **({} if whole else options),
        )
    finally:
        logging.set_verbosity(verbosity)
    missing = [name for name in sorted(report["missing_keys"]) if name.split(".")[-1] not in COUNTED]
    if whole:
        missing = [name for name in missing if name.startswith("text_model.")]
        model = model.text_model
        if settings.pooling != "pooler":
            model.pooler = None
    if missing and all("pooler" in name.split(".") for name in missing):
        raise UserError(
            f"text.pooling pooler: the published weights of {settings.model} have none; allowed: mean, first, last"
        )
    if missing:
        raise UserError(f"the weights of {settings.model} leave {len(missing)} tensors out, e.g. {missing[0]}")
    return model


def published_tokenizer(folder: Path, config: Any, settings: TextEncoder) -> CaptionTokenizer:
    """Return the tokenizer in a model's folder, made ready for the settings' pooling.

    A tokenizer without padding (GPT-2) pads with its last token: under a causal mask no token sees the padding.
    """
    from transformers import AutoTokenizer

    # Without any of its files transformers makes a tokenizer of nothing, and says nothing.
    if not any(next(folder.glob(pattern), None) for pattern in TOKENIZER_FILES):
        raise UserError(f"{folder} holds no tokenizer: none of {', '.join(TOKENIZER_FILES)}")
    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder} holds no tokenizer that transformers can read ({reason})") from None
    if not getattr(loaded, "is_fast", False):
        raise UserError(f"the tokenizer of {settings.model} has no fast form (tokenizer.json), which is needed here")
    tokenizer = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise UserError(
            f"the tokenizer of {settings.model} has {tokenizer.get_vocab_size()} entries, its model {config.vocab_size}"
        )
    end = loaded.eos_token
    if settings.pooling == "last" and is_causal(config.model_type) and end is not None:
        append_end(tokenizer, end)
    padding = next((token for token in (loaded.pad_token_id, loaded.eos_token_id) if token is not None), 0)
    return CaptionTokenizer(tokenizer, padding=padding, maximum_tokens=settings.maximum_tokens, plain=settings.plain)


def append_end(tokenizer: Tokenizer, end: str) -> None:
    """Make a tokenizer end every text with ` <end>`, unless it ends it with a special token already.

    The blank is part of it: MS-CLAP 2023 was trained on the caption + " <|endoftext|>", which GPT-2's tokenizer takes
    for a blank of its own and the end (https://github.com/microsoft/CLAP, CLAPWrapper.preprocess_text).
    """
    tokenizer.no_truncation()
    if tokenizer.encode("a").special_tokens_mask[-1]:
        return
    suffix = tokenizer.encode(f" {end}", add_special_tokens=False)
    names = [tokenizer.id_to_token(token) for token in suffix.ids]
    template = processors.TemplateProcessing(
        single=["$A", *names], special_tokens=list(dict(zip(names, suffix.ids, strict=True)).items())
    )
    steps = [step for step in (tokenizer.post_processor, template) if step is not None]
    tokenizer.post_processor = processors.Sequence(steps)
