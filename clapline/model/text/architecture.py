"""Text architectures of transformers: their configs, checked, and models of random weights."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

from torch import nn

from clapline.errors import UserError
from clapline.params.text_encoder import TextEncoder

# The names under which the architectures keep the dropout of states and of attention weights.
DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "hidden_dropout",
    "embd_pdrop",
    "resid_pdrop",
    "attn_pdrop",
)

# What follows from the tokenizer, and what is no size.
GIVEN = ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "max_position_embeddings")
NO_SIZES = ("model_type", "transformers_version", "architectures", "_name_or_path")


def architecture_config(settings: TextEncoder, vocabulary: int) -> Any:
    """Return the config of `settings.architecture` with `settings.config` in it, for a framed tokenizer of ours.

    Raises:
        UserError: unknown architecture, no text architecture, unknown names or bad values in the config.
    """
    from transformers import CONFIG_MAPPING

    name = settings.architecture or ""
    where = f"text.architecture = {name!r}"
    if name not in CONFIG_MAPPING:
        raise UserError(f"{where}: transformers has no such model type{_close(name, CONFIG_MAPPING)}")
    family = CONFIG_MAPPING[name]
    blank = family()
    if not hasattr(blank, "vocab_size"):
        raise UserError(f"{where} has no vocabulary of its own: it is no text architecture")
    other_names = dict(family.attribute_map)
    given = {*GIVEN, *(other_names[key] for key in GIVEN if key in other_names)}
    known = (set(blank.to_dict()) | set(other_names)) - given - set(NO_SIZES)
    for key in settings.config:
        if key in given:
            raise UserError(f"text.config.{key} follows from the tokenizer and maximum_tokens: leave it out")
        if key not in known:
            raise UserError(f"text.config.{key} is no setting of {name}{_close(key, known)}")
    try:
        config = family(
            **settings.config,
            vocab_size=vocabulary,
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
            # RoBERTa and its kin count positions from the padding's id + 1.
            max_position_embeddings=settings.maximum_tokens + 2,
        )
    except Exception as error:  # each config checks itself in its own way
        raise UserError(f"text.config for {name}: {' '.join(str(error).split())}") from None
    return config


def random_model(config: Any, settings: TextEncoder) -> nn.Module:
    """Return the text model of a config, its weights drawn from torch's generator.

    Raises:
        UserError: the config is of no text encoder, or its sizes do not fit together.
    """
    family = text_model_class(config)
    adapt(config, settings)
    options = pooling_option(family, settings)
    try:
        return family(config, **options)
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError) as error:
        raise UserError(f"a {config.model_type} of these sizes cannot be built: {error}") from None


def text_model_class(config: Any) -> type[nn.Module]:
    """Return the class of the bare model (no head) for a config. Raises UserError when it encodes no text."""
    from transformers import MODEL_MAPPING, ClapTextConfig, ClapTextModel

    if isinstance(config, ClapTextConfig):  # a part of a ClapModel, which the mapping does not list
        return ClapTextModel
    family = MODEL_MAPPING.get(type(config), None)
    if family is None or isinstance(family, tuple) or not hasattr(config, "vocab_size") or config.is_encoder_decoder:
        raise UserError(f"model type {config.model_type!r} is no text encoder: allowed are those that read text alone")
    return family


def adapt(config: Any, settings: TextEncoder) -> None:
    """Put the settings into a config: the dropout, no cache of keys and values, and no trace of where it lay.

    Raises:
        UserError: the settings name a dropout and the architecture has none; the first token of a causal model.
    """
    if settings.pooling == "first" and is_causal(config.model_type):
        raise UserError(
            f"text.pooling first: in a {config.model_type} no token sees the later ones; allowed: last, mean"
        )
    if settings.dropout is not None:
        names = [name for name in DROPOUTS if hasattr(config, name)]
        if not names:
            raise UserError(f"text.dropout cannot be set for a {config.model_type}: leave it null")
        for name in names:
            setattr(config, name, settings.dropout)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    config._name_or_path = ""


def pooling_option(family: type[nn.Module], settings: TextEncoder) -> dict[str, bool]:
    """Return how to build a model of this class with a pooler if and only if the settings pool by it.

    Weights that no loss reaches would stop training on several GPUs.

    Raises:
        UserError: pooling by the pooler, and the architecture has none.
    """
    has_pooler = "add_pooling_layer" in inspect.signature(family.__init__).parameters
    if settings.pooling == "pooler" and not has_pooler:
        raise UserError(f"text.pooling pooler: {family.__name__} has no pooler; allowed: mean, first, last")
    return {"add_pooling_layer": settings.pooling == "pooler"} if has_pooler else {}


def is_causal(model_type: str) -> bool:
    """Say whether tokens of this model type see only those before them: language models that fill no gaps."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _close(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, sorted(known), n=3)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""
