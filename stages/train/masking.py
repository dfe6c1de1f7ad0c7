"""The masked inputs of a batch: encoded at every level in one pass, gathered over the processes."""

from __future__ import annotations

import torch
from torch import Tensor

from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs, Embeddings
from clapline.model.masking import nested_masks
from clapline.params.objective import Hierarchy
from clapline.processes import gather
from stages.train.batch import Batch


def encode_masked(clap: Clap, settings: Hierarchy, audio: AudioInputs, batch: Batch, part: slice) -> dict[str, Tensor]:
    """Return means and log variances of the local masked inputs under M₀, M₁, …, as `masked_audio.level.mean` etc.

    M₀ is encoded once more, beside its masked versions: what they are compared with then went through the same pass.

    Args:
        clap: with masks and Gaussian heads.
        settings: of the levels.
        audio: the local clips, ready for the encoder.
        batch: with `masked`.
        part: of the local masked inputs.
    """
    masked, found = batch.masked, {}
    rows = masked.rows[part]
    if masked.audio_draws is not None:
        chosen = audio.rows(rows)
        kept = settings.kept(settings.audio_levels)
        levels = nested_masks(clap.valid_units(chosen), masked.audio_draws[:, part], kept, settings.minimum_audio)
        repeated = chosen.repeated(len(levels))
        found |= _by_level("masked_audio", clap.embed_masked_audio(repeated, torch.cat(levels)), len(levels))
    if masked.text_draws is not None:
        texts = batch.texts_of(rows, view=0)
        words = texts["attention_mask"].bool() & ~clap.text.special_tokens(texts)
        kept = settings.kept(settings.text_levels)
        draws = masked.text_draws[:, part, : words.shape[1]]
        levels = nested_masks(words, draws, kept, settings.minimum_text)
        stacked = {name: torch.cat([tensor] * len(levels)) for name, tensor in texts.items()}
        found |= _by_level("masked_text", clap.embed_masked_text(stacked, torch.cat(levels)), len(levels))
    return found


def masked_levels(encoded: dict[str, Tensor], name: str, batch: Batch) -> list[Embeddings]:
    """Return the masked inputs of the whole batch per level, `(masked pairs, dimension)` each."""
    levels = []
    while f"{name}.{len(levels)}.mean" in encoded:
        mean, log_variance = (
            gather(encoded[f"{name}.{len(levels)}.{field}"])[batch.masked.order] for field in ("mean", "log_variance")
        )
        levels.append(Embeddings(mean, log_variance))
    return levels


def _by_level(name: str, embeddings: Embeddings, levels: int) -> dict[str, Tensor]:
    found = {}
    for field in ("mean", "log_variance"):
        parts = getattr(embeddings, field).chunk(levels)
        found |= {f"{name}.{level}.{field}": part for level, part in enumerate(parts)}
    return found
