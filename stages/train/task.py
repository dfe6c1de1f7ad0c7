"""What training computes of one batch: encoders, cosines over all processes, objective; one module for DDP to wrap."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from clapline.model.batch_norm import gather
from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs, Embeddings, States
from clapline.objectives.compose import EmbeddedBatch, objective
from clapline.params.training import Training
from stages.train.batch import Batch


class Task(nn.Module):
    """A Clap and its objective. Every trainable parameter is used inside `forward`, as DDP asks.

    Each process encodes its own clips and texts. The texts are gathered, each process scores all of them against its
    own clips, and the scores are gathered: so no process needs another's frames (under text-aware pooling those are
    many times the embeddings, and as long as their longest clip), and the pooling's work is shared. The loss is
    computed over the whole batch in every process; `clapline.model.batch_norm.gather` says why its gradients, averaged
    by DDP, are those of one process with the whole batch.

    A logit bias that the form of the contrastive loss knows nothing of is fixed: build the optimiser after the task.
    """

    def __init__(self, clap: Clap, settings: Training) -> None:
        super().__init__()
        self.clap = clap
        self.objective = settings.objective
        self.half = settings.precision == "bf16"
        if clap.logit_bias is not None:
            clap.logit_bias.requires_grad_(settings.objective.contrastive.form == "sigmoid")

    def forward(self, audio: AudioInputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of all pairs, and its parts by name without gradients (the same in every process).

        Args:
            audio: the local clips, ready for the encoder.
            batch: the rest of the batch, on the same device.
        """
        device = self.clap.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.half):
            heard = self.clap.hear(audio)
            said = self.clap.embed_text(batch.text).mean
        with torch.autocast(device, enabled=False), _exact_products(heard):
            embedded = self._embedded(heard, said.float(), batch)
            loss, parts = objective(self.objective, embedded, self.clap.logit_scale(), self.clap.logit_bias)
        return loss, {name: value.detach() for name, value in parts.items()}

    def _embedded(self, heard: Embeddings | States, said: Tensor, batch: Batch) -> EmbeddedBatch:
        views = global_views(said, batch.views)
        audio_views = self._scores(heard, views)
        captions, *paraphrases = views
        return EmbeddedBatch(
            audio_text=audio_views[0],
            positives=batch.positives,
            audio_paraphrases=audio_views[1:],
            text_paraphrases=[captions @ texts.T for texts in paraphrases],
            teacher_audio=batch.teacher_audio,
            teacher_text=batch.teacher_text,
            caption_similarity=batch.caption_similarity,
        )

    def _scores(self, heard: Embeddings | States, views: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the cosines of every clip and every text, per view `(batch, batch)` with clips in rows."""
        local = self.clap.cosines(torch.cat(list(views)), heard).T  # (local clips, views · batch)
        return gather(local).split(len(views[0]), dim=1)


def global_views(local: Tensor, views: int) -> Sequence[Tensor]:
    """Return the texts of the whole batch per view, `(batch, dimension)` each, in the order of the pairs.

    Args:
        local: this process's texts, `(views · pairs, dimension)`, view by view.
        views: captions, and so many levels of paraphrases less one.
    """
    # Gathered pair by pair with all its views: the ranks hold consecutive pairs, so the order comes out right.
    return gather(local.unflatten(0, (views, -1)).transpose(0, 1)).unbind(1)


@contextlib.contextmanager
def _exact_products(heard: Embeddings | States) -> Iterator[None]:
    """Compute cosines of embeddings without TF32: its error, some 1e-3, times a logit scale of 100 would be seen.

    Frames are left to TF32: text-aware pooling is as costly as an encoder, and attends before it compares.
    """
    before = torch.get_float32_matmul_precision()
    if isinstance(heard, Embeddings) and before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if torch.get_float32_matmul_precision() != before:
            torch.set_float32_matmul_precision(before)
