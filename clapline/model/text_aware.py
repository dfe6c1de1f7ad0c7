"""Text-aware pooling (TAP): each caption attends to the frames of each clip and is compared with what it picked.

The attention of the thesis as its code has it (timoniko/PR-Text-To-Audio-Retrieval; the text's formula has no biases
and does not say that the norm is shared): one LayerNorm for queries, keys, values and output; linear maps with bias;
one head; no residual and no feed-forward layer. With text t, frames f, width D and attention width D_p:

    w = Dropout(softmax(⟨W_q LN(t) + b_q, W_k LN(f) + b_k⟩ / √D_p))          over the valid frames
    z = Dropout(LN(W_0 (Σ w (W_v LN(f) + b_v)) + b_0)),   score = cos(z, t)

Every text is scored against every clip. All but softmax and LN is linear, so the products can be taken in the order
that costs least, with the same result but for rounding:
- W_kᵀ moves to the query, so that no key is ever formed: N·M·P·D multiplications for the scores, none of size D_p;
- W_0 W_v is one (D, D) matrix; it is applied to the frames (M·P·D²) where there are at least as many texts as
  positions, else to the mixed frames (N·M·D²).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from clapline.model.inputs import States
from clapline.params.audio_encoder import TextAwarePooling as TextAwarePoolingSettings

# Bound on the numbers of the largest tensor of a block (64 MiB in float32), unless one clip alone has more.
FLOATS_AT_ONCE = 2**24


class TextAwarePooling(nn.Module):
    """Scores of texts and clips by attention of the text over the clip's frames.

    `dimension_shared` is the size D of texts and frames. Dropout of the attention weights draws one number per text,
    clip and position, that of the output one per text, clip and channel, from torch's default generator of the device,
    block after block: the same seed gives the same numbers for the same shapes.
    """

    def __init__(self, dimension_shared: int, settings: TextAwarePoolingSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dimension_shared)
        self.query = nn.Linear(dimension_shared, settings.dimension)
        self.key = nn.Linear(dimension_shared, settings.dimension)
        self.value = nn.Linear(dimension_shared, settings.dimension)
        self.output = nn.Linear(settings.dimension, dimension_shared)
        self.dropout = settings.dropout
        self.output_dropout = settings.output_dropout

    def cosines(self, text: Tensor, frames: States, *, values_first: bool | None = None) -> Tensor:
        """Return the cosine of every text with every clip as that text hears it, `(texts, clips)` float32.

        `text` is `(texts, D)`; its length plays no part. `frames` holds `(clips, positions, D)` and the mask of the
        positions that count. Without dropout no score depends on other texts or clips. `values_first` fixes the order
        of products (None: the cheaper one), for callers who ask for one score among more and among fewer texts.

        Work goes in blocks of clips and of texts. Where gradients are wanted and one block is not enough, the blocks
        are computed again in the backward pass, so that memory is a few blocks whatever the number of pairs.
        """
        if values_first is None:
            values_first = len(text) >= frames.states.shape[1]
        unit = functional.normalize(text.float(), dim=-1)
        # Length √D, so that the LayerNorm's epsilon weighs as little for a unit vector as for a state of variance 1.
        queries = self.query(self.norm(unit * math.sqrt(unit.shape[1]))) / math.sqrt(self.query.out_features)
        seen = queries @ self.key.weight  # (texts, D): the query as the frames see it
        offsets = queries @ self.key.bias  # (texts,): equal for all positions, so the softmax does not see it
        matrix, bias = self.output.weight @ self.value.weight, self.output.weight @ self.value.bias  # (D, D), (D,)
        clips_at_once, texts_at_once = block_sizes(len(text), frames.states.shape)
        again = torch.is_grad_enabled() and (clips_at_once < len(frames.states) or texts_at_once < len(text))
        texts = zip(*(each.split(texts_at_once) for each in (unit, seen, offsets)), strict=True)
        clips = list(zip(*(each.split(clips_at_once) for each in (frames.states, frames.mask)), strict=True))
        lines = []
        for asked in texts:
            line = []
            for heard in clips:
                block = (*asked, *heard, matrix, bias, values_first)
                line.append(checkpoint(self._block, *block, use_reentrant=False) if again else self._block(*block))
            lines.append(torch.cat(line, dim=1))
        return torch.cat(lines)

    def _block(
        self, unit: Tensor, queries: Tensor, offsets: Tensor, frames: Tensor, mask: Tensor,
        matrix: Tensor, bias: Tensor, values_first: bool,
    ) -> Tensor:  # fmt: skip
        """Return the cosines of a block, `(texts, clips)`."""
        heard = self.norm(frames.float())  # (clips, positions, D)
        # One product per clip, of one shape: equal clips get equal scores wherever in a block they stand.
        scores = torch.bmm(queries.expand(len(frames), -1, -1), heard.transpose(1, 2))  # (clips, texts, positions)
        scores = scores.float() + offsets[:, None]
        weights = scores.masked_fill(~mask[:, None, :], -torch.inf).softmax(dim=-1)
        weights = functional.dropout(weights, self.dropout, self.training)
        total = weights.sum(dim=-1, keepdim=True)  # 1 without dropout
        if values_first:
            picked = torch.matmul(weights, functional.linear(heard, matrix))
        else:
            picked = functional.linear(torch.matmul(weights, heard), matrix)
        pooled = self.norm(picked + total * bias + self.output.bias)  # (clips, texts, D)
        pooled = functional.dropout(pooled.float(), self.output_dropout, self.training)
        # Length and product apart: a normalised copy would be one more block-sized tensor.
        products = (pooled * unit).sum(dim=-1)
        return (products / pooled.norm(dim=-1).clamp(min=1e-12)).T


def block_sizes(texts: int, shape: torch.Size | tuple[int, int, int]) -> tuple[int, int]:
    """Return how many clips and how many texts make a block, each at least 1.

    `shape` is that of the frames, (clips, positions, D). A block's frames have at most FLOATS_AT_ONCE numbers, and so
    have its weights, (clips, texts, positions), and its pooled states, (clips, texts, D).
    """
    clips, positions, width = shape
    clips_at_once = max(1, min(clips, FLOATS_AT_ONCE // max(1, positions * width)))
    texts_at_once = max(1, min(texts, FLOATS_AT_ONCE // max(1, clips_at_once * max(positions, width))))
    return clips_at_once, texts_at_once
