"""Text encoders: captions → token states. A small transformer from scratch, published models, or their architectures.

Every encoder has `width`; `tokenise(captions)`, ids that can be kept; `collate`, which makes a padded batch of them;
`prepare(captions)`, both in one; `forward(inputs)`, token states and their mask; and `save(folder)`.
One that trains can hide tokens too: it has `input_width` and `special_tokens(inputs)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from clapline.model.text.encoder import FOLDER, TransformersText
from clapline.model.text.tokenizer import CaptionTokenizer, train_framed_tokenizer, train_tokenizer
from clapline.params.text_encoder import TextEncoder


def build_text_encoder(
    settings: TextEncoder, captions: Sequence[str] | None = None, folder: Path | None = None
) -> nn.Module:
    """Return the encoder that the settings name.

    Args:
        settings: the text section of a model.
        captions: training captions, for a tokenizer of its own.
        folder: a saved model, whose tokenizer and config are taken instead; its weights are loaded afterwards, and no
            hub is asked.

    Raises:
        UserError: a model nowhere to be had, settings that do not fit the model, or a folder that is no saved model.
    """
    if settings.frozen:
        from clapline.model.text.frozen import FrozenText

        return FrozenText(settings, folder)
    if folder is not None:
        return _saved(settings, folder)
    if settings.kind == "pretrained":
        from clapline.model.text.pretrained import load_published

        return TransformersText(settings, *load_published(settings))
    reads = {"maximum_tokens": settings.maximum_tokens, "plain": settings.plain}
    if settings.kind == "architecture":
        from clapline.model.text.architecture import architecture_config, random_model

        tokens = CaptionTokenizer(train_framed_tokenizer(captions or [], settings.vocabulary), padding=1, **reads)
        return TransformersText(
            settings, random_model(architecture_config(settings, tokens.vocabulary), settings), tokens
        )
    from clapline.model.text.small import TransformerText

    return TransformerText(
        settings, CaptionTokenizer(train_tokenizer(captions or [], settings.vocabulary), padding=0, **reads)
    )


def _saved(settings: TextEncoder, folder: Path) -> nn.Module:
    tokens = CaptionTokenizer.load(
        folder / FOLDER / "tokenizer.json", maximum_tokens=settings.maximum_tokens, plain=settings.plain
    )
    if settings.kind == "transformer":
        from clapline.model.text.small import TransformerText

        return TransformerText(settings, tokens)
    from clapline.model.text.architecture import random_model
    from clapline.model.text.pretrained import read_config

    return TransformersText(settings, random_model(read_config(folder / FOLDER), settings), tokens)
