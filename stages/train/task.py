"""What training computes of one batch: encoders, scores over all processes, objective; one module for DDP to wrap."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clapline.model.clap import Clap
from clapline.model.inputs import AudioInputs, Embeddings, States
from clapline.objectives.compose import EmbeddedBatch, Learned, Outcome, objective
from clapline.objectives.gaussian import column_factor, row_factor
from clapline.objectives.scores import Scores, scores_of
from clapline.params.training import Training
from clapline.processes import gather
from stages.train.batch import Batch
from stages.train.masking import encode_masked, masked_levels

# What `encode` gives: tensors by name. `audio.…` has the clips first; `text.…` the views, then the captions; `masked_…`
# the masked inputs of one level first; what else there is belongs to no pair: the learned numbers of the losses.
Encoded = dict[str, Tensor]


@dataclass(frozen=True)
class Piece:
    """What of a batch is encoded in one go."""

    pairs: slice | None  # of the local pairs; None: none
    masked: slice | None  # of the local masked inputs; None: none
    learned: bool = True  # whether the learned numbers of the losses come along


def whole_of(batch: Batch) -> Piece:
    """Return all of a batch as one piece."""
    return Piece(slice(0, batch.local), slice(0, len(batch.masked.rows)) if batch.masked else None)


class Task(nn.Module):
    """A Clap and its objective. Every trainable parameter is used inside `forward`, as DDP asks.

    Each process encodes its own clips and texts, and their embeddings are gathered. The loss is computed over the whole
    batch in every process, or, where the scores are too many for one matrix, of each process's own rows and gathered;
    `clapline.processes.gather` says why its gradients, averaged by DDP, are those of one process with the whole batch.
    Under text-aware pooling each process scores all texts against its own clips, and the scores are gathered, so that
    no process needs another's frames.

    What the objective does not use is fixed, for DDP would wait for its gradient: build the optimiser after the task.
    """

    def __init__(self, clap: Clap, settings: Training) -> None:
        super().__init__()
        self.clap = clap
        self.objective = settings.objective
        self.half = settings.precision == "bf16"
        chosen = settings.objective
        clusters = chosen.clusters
        self.classifier = nn.Linear(clap.dimension, clusters.count) if clusters.weight else None
        if not chosen.uses_scale:
            clap.log_scale.requires_grad_(False)
        if clap.logit_bias is not None:
            clap.logit_bias.requires_grad_(chosen.pairwise)
        for mask, levels in ((clap.audio_mask, "audio_levels"), (clap.text_mask, "text_levels")):
            if mask is not None:
                mask.requires_grad_(chosen.masks and getattr(chosen.hierarchy, levels) is not None)

    def forward(
        self, audio: AudioInputs, batch: Batch, piece: Piece | None = None
    ) -> tuple[Tensor, dict[str, Tensor]] | Encoded:
        """Return the loss of all pairs, and figures by name without gradients (the same in every process).

        With a `piece` nothing is compared yet: what `encode` gives of it is returned.

        Args:
            audio: the local clips, ready for the encoder.
            batch: the rest of the batch, on the same device.
            piece: of the local pairs and masked inputs.
        """
        if piece is not None:
            return self.encode(audio, batch, piece)
        return self.loss(self.encode(audio, batch, whole_of(batch)), batch)

    def encode(self, audio: AudioInputs, batch: Batch, piece: Piece) -> Encoded:
        """Return the embeddings (or frames) of local pairs, masked inputs, and the learned numbers of the losses."""
        found: Encoded = {}
        with torch.autocast(self.clap.device.type, torch.bfloat16, enabled=self.half):
            if piece.pairs is not None:
                found |= self._encoded(audio, batch, piece.pairs)
            if piece.masked is not None:
                found |= encode_masked(self.clap, self.objective.hierarchy, audio, batch, piece.masked)
        return found | (self._learned() if piece.learned else {})

    def _encoded(self, audio: AudioInputs, batch: Batch, pairs: slice) -> Encoded:
        whole = pairs == slice(0, batch.local)
        heard = self.clap.hear(audio if whole else audio.rows(pairs))
        said = self.clap.embed_text(batch.text if whole else batch.texts_of(pairs))
        if isinstance(heard, States):
            found = {"frames.states": heard.states, "frames.mask": heard.mask}
        else:
            found = self._named("audio", heard)
        for name, tensor in self._named("text", said).items():
            found[name] = tensor.unflatten(0, (batch.views, -1))
        return found

    def _named(self, side: str, embeddings: Embeddings) -> Encoded:
        """Return what the objective needs of embeddings; a tensor that no loss takes would keep DDP waiting."""
        found = {f"{side}.mean": embeddings.mean.float()}
        if self.objective.of_gaussians:
            found[f"{side}.log_variance"] = embeddings.log_variance
        if self.classifier is not None:
            found[f"{side}.projected"] = embeddings.projected.float()
        return found

    def _learned(self) -> Encoded:
        found = {"scale": self.clap.logit_scale()}
        # Not the parameters themselves: DDP looks for what made an output, and takes a parameter for one never used.
        if self.clap.logit_bias is not None:
            found["bias"] = self.clap.logit_bias * 1.0
        if self.classifier is not None:
            found |= {f"classifier.{name}": value * 1.0 for name, value in self.classifier.named_parameters()}
        return found

    def loss(self, encoded: Encoded, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of all pairs, its parts and the health of Gaussians by name, from what `encode` gave."""
        heard = states_of(encoded)
        with torch.autocast(self.clap.device.type, enabled=False), _exact_products(heard):
            outcome = self._compared(encoded, heard, batch)
        return outcome.total, {name: value.detach() for name, value in (outcome.parts | outcome.health).items()}

    def _compared(self, encoded: Encoded, heard: States | None, batch: Batch) -> Outcome:
        views = {name: global_views(encoded[f"text.{name}"]) for name in _FIELDS if f"text.{name}" in encoded}
        captions, *paraphrases = (
            Embeddings(**{name: of_views[view] for name, of_views in views.items()}) for view in range(batch.views)
        )
        audio = None
        if heard is None:
            audio = Embeddings(**{n: gather(encoded[f"audio.{n}"]) for n in _FIELDS if f"audio.{n}" in encoded})
        here = slice(batch.first, batch.first + batch.local)
        audio_views = self._scores(audio if heard is None else heard, [captions, *paraphrases], here)
        means = None
        if self.objective.probabilistic and self.objective.distillation.weight:
            means = scores_of(audio.mean, [captions.mean], here)[0]
        learned = Learned(
            encoded["scale"],
            encoded.get("bias"),
            (encoded["classifier.weight"], encoded["classifier.bias"]) if self.classifier is not None else None,
        )
        embedded = EmbeddedBatch(
            audio_text=audio_views[0],
            audio_text_means=means,
            positives=batch.positives,
            audio_paraphrases=audio_views[1:],
            text_paraphrases=[self._scores(captions, [texts], here)[0] for texts in paraphrases],
            audio=audio,
            text=captions,
            masked_audio=masked_levels(encoded, "masked_audio", batch),
            masked_text=masked_levels(encoded, "masked_text", batch),
            masked_places=batch.masked.places if batch.masked else None,
            teacher_audio=batch.teacher_audio,
            teacher_text=batch.teacher_text,
            distilled_audio=batch.distilled_audio,
            distilled_text=batch.distilled_text,
            caption_states=batch.caption_states,
            caption_meanings=batch.caption_meanings,
            clusters=batch.clusters,
        )
        return objective(self.objective, embedded, learned)

    def _scores(self, first: Embeddings | States, seconds: Sequence[Embeddings], here: slice) -> list[Scores]:
        """Return the scores of clips or captions with several views of captions, in rows and columns."""
        if isinstance(first, States):
            texts = torch.cat([second.mean for second in seconds])
            local = self.clap.cosines(texts, first).T  # (local clips, views · batch)
            return [Scores(part) for part in gather(local).split(len(seconds[0].mean), dim=1)]
        if self.objective.probabilistic:
            columns = [column_factor(second.mean, second.log_variance) for second in seconds]
            return scores_of(row_factor(first.mean, first.log_variance), columns, here)
        return scores_of(first.mean, [second.mean for second in seconds], here)


_FIELDS = ("mean", "log_variance", "projected")


def states_of(encoded: Encoded) -> States | None:
    """Return the local clips' frames, which text-aware pooling takes; None where clips have embeddings."""
    if "frames.states" not in encoded:
        return None
    return States(encoded["frames.states"], encoded["frames.mask"])


def global_views(local: Tensor) -> Sequence[Tensor]:
    """Return the texts of the whole batch per view, `(batch, dimension)` each, in the order of the pairs.

    Args:
        local: this process's texts, `(views, pairs, dimension)`.
    """
    # Gathered pair by pair with all its views: the ranks hold consecutive pairs, so the order comes out right.
    return gather(local.transpose(0, 1)).unbind(1)


@contextlib.contextmanager
def _exact_products(heard: States | None) -> Iterator[None]:
    """Compute cosines of embeddings without TF32: its error, some 1e-3, times a logit scale of 100 would be seen.

    Frames are left to TF32: text-aware pooling is as costly as an encoder, and attends before it compares.
    """
    before = torch.get_float32_matmul_precision()
    if heard is None and before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if torch.get_float32_matmul_precision() != before:
            torch.set_float32_matmul_precision(before)
