"""Late fusion of what is written about a clip (its tags) with what is heard in it.

After Primus and Widmer, "Fusing Audio and Metadata Embeddings Improves Language-based Audio Retrieval"
(arXiv 2406.15897): its abstract says that keywords and late fusion improve retrieval. From a summary of the paper, not
from the paper, come the encoder of keywords (the queries' own) and the late fusion (a sum of the two embeddings). The
rest is our reading: a head of the tags' own, a learned weight in the sum that starts at 1, the sum scaled to length 1.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn import functional

from clapline.model.head import build_head
from clapline.model.inputs import Embeddings
from clapline.params.model import Head


class MetadataFusion(nn.Module):
    """Audio embedding a and tags' embedding m → L2(a + g·m) with a learned scalar g; without tags, a bit for bit.

    `width` is that of the text encoder's states. A Gaussian keeps the audio's log variance.
    """

    def __init__(self, width: int, settings: Head) -> None:
        super().__init__()
        self.head = build_head(width, settings.model_copy(update={"distribution": "point"}))
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, audio: Embeddings, tags_state: Tensor, has_tags: Tensor) -> Embeddings:
        """Return the embeddings of clips, `(batch, dimension)`.

        `tags_state` is `(batch, width)`, the pooled state of the tags' sentence; rows without tags are not looked at.
        `has_tags` is `(batch,)` boolean.
        """
        present = has_tags.unsqueeze(-1)
        # A sentence without words may have a state without meaning, NaN even: it must not reach a gradient either.
        tags = self.head(tags_state.masked_fill(~present, 0.0)).mean
        fused = functional.normalize(audio.mean + self.weight * tags, dim=-1)
        return dataclasses.replace(audio, mean=torch.where(present, fused, audio.mean))
