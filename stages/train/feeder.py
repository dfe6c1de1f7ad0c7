"""Batches by number: all that a micro-step is fed, made on the CPU by whichever process asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from clapline.errors import UserError
from clapline.model.inputs import AudioInputs, Inputs
from clapline.params.model import Model
from clapline.params.training import Training
from clapline.randomness import generator
from clapline.text.tags import tags_sentence
from stages.train.batch import Batch
from stages.train.batches import Drawn, Sampler, steps_of
from stages.train.data import Known, TeacherView, TrainingData
from stages.train.masks import MaskDraws
from stages.train.positives import Positives


class Feeder(Dataset):
    """Micro-steps from 0: `feeder[m]` is a process's share of batch m, on the CPU, the same whoever asks and when.

    Captions are turned into tokens once, here. A feeder can be handed to other processes: it holds no weights.
    """

    def __init__(
        self,
        data: TrainingData,
        settings: Training,
        model: Model,
        text: nn.Module,
        *,
        seed: int,
        stage: str,
        known: Known | None = None,
        mask_units: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Take what a run draws from.

        Args:
            data: clips, sources, paraphrases.
            settings: of the run.
            model: of the Clap that trains.
            text: its text encoder; only its tokenizer is kept, or the table of a frozen one's states.
            seed: of the run.
            stage: that trains.
            known: what soft targets, relevance, distillation and clusters are made of.
            mask_units: stretches in which the model hides audio (Clap.mask_units), where something is masked.
            rank: of this process.
            world: number of processes.

        Raises:
            UserError: the batch cannot be shared evenly; caption similarity without a frozen text encoder; dropped
                words with one; a source that cannot be drawn from.
        """
        if settings.batch_size % world:
            raise UserError(
                f"batch_size {settings.batch_size} cannot be shared among {world} processes: make it a multiple"
            )
        self.settings, self.seed, self.stage = settings, seed, stage
        self.data, self.clips, self.metadata = data, data.clips, model.metadata
        self.first, self.count = rank * settings.batch_size // world, settings.batch_size // world
        micro_steps = steps_of(settings, data.sources) * settings.accumulation
        self.sampler = Sampler(
            data,
            micro_steps,
            settings.batch_size,
            seed,
            stage,
            settings.pass_over,
            settings.length_buckets,
            settings.alike_share,
        )
        self.positives = Positives(data.sources)
        self.dropped = settings.augmentation.text_dropout
        self.compares = settings.objective.contrastive.ignore_similar_captions_above is not None
        if self.compares and not model.text.frozen:
            raise UserError("objective.contrastive.ignore_similar_captions_above needs a frozen text tower")
        if _relevance_by_tower(settings) and not model.text.frozen:
            raise UserError(
                "objective.contrastive.targets: relevance needs a frozen text tower, or relevance_model, the id of a "
                "sentence encoder"
            )
        if self.dropped and model.text.frozen:
            raise UserError("augmentation.text_dropout makes new texts: a frozen text encoder has no state of them")
        texts = data.texts()
        if self.metadata.use != "none":
            self._sentences = [tags_sentence(tags) or "" for tags in data.tags] or [""] * len(data.clips)
            texts = sorted({*texts, *self._sentences, ""})
        self._tokens = dict(zip(texts, text.tokenise(texts), strict=True))
        self._collate = text.collate
        self._tokenizer = text.tokens if self.dropped else None
        self._knows(known or Known())
        self._masks = None
        if settings.objective.masks:
            self._masks = MaskDraws(
                settings.objective.hierarchy,
                mask_units,
                model.text.maximum_tokens,
                settings.batch_size,
                rank,
                world,
                seed,
                stage,
            )

    def _knows(self, known: Known) -> None:
        """Keep tables by row, of what the objective asks for."""
        objective = self.settings.objective
        captions = self.data.captions()
        self._rows = {caption: row for row, caption in enumerate(captions)}
        self._teacher = self._distilled = None
        if objective.contrastive.weight and objective.contrastive.targets == "soft" and known.teacher is not None:
            self._teacher = _View(known.teacher, captions)
        if objective.distillation.weight and known.distilled is not None:
            self._distilled = _View(known.distilled, captions)
        relevant = bool(objective.contrastive.weight) and objective.contrastive.targets == "relevance"
        self._means_by_states = _relevance_by_tower(self.settings)
        self._meanings = self._clusters = None
        if relevant and known.meanings is not None:
            self._meanings = torch.stack([known.meanings[caption] for caption in captions])
        if objective.clusters.weight and known.clusters is not None:
            self._clusters = torch.tensor([known.clusters[caption] for caption in captions])

    def __len__(self) -> int:
        return len(self.sampler.source_of_step)

    def __getitem__(self, m: int) -> Batch:
        """Return batch m, or this process's share of it; raises IndexError behind the last."""
        if not 0 <= m < len(self):
            raise IndexError(f"micro-step {m} of {len(self)}")
        drawn = self.sampler.draw(m)
        audio = self.clips.inputs(drawn.clips, m, self.first, self.count)
        views = [drawn.captions]
        if self.settings.objective.paraphrase.weight:
            views += [drawn.paraphrases[level] for level in self.settings.objective.paraphrase.used]
        return Batch(
            step=m,
            audio=self._tagged(audio, drawn, m),
            text=self._text(views, m),
            views=len(views),
            pairs=len(drawn.clips),
            positives=self.positives.of(drawn),
            first=self.first,
            heard=self.clips.heard(drawn.clips, m),
            masked=None if self._masks is None else self._masks.of(m),
            **self._seen(drawn),
        )

    def _text(self, views: Sequence[Sequence[str]], m: int) -> Inputs:
        here = slice(self.first, self.first + self.count)
        if not self.dropped:
            return self._collate([self._tokens[text] for texts in views for text in texts[here]])
        random = generator(self.seed, self.stage, "words", m)
        # Of all pairs, and then those that are here: what is drawn for a caption depends on no number of processes.
        kept = [[without_words(text, self.dropped, random) for text in texts][here] for texts in views]
        return self._collate(self._tokenizer.tokenise([text for texts in kept for text in texts]))

    def _tagged(self, audio: AudioInputs, drawn: Drawn, m: int) -> AudioInputs:
        if self.metadata.use == "none":
            return audio
        shown = generator(self.seed, self.stage, "metadata", m).random(len(drawn.clips)) >= self.metadata.absent
        shown &= [bool(self._sentences[row]) for row in drawn.clips]
        here = slice(self.first, self.first + self.count)
        pairs = zip(drawn.clips[here], shown[here], strict=True)
        # A hidden sentence does not reach the model at all, not even its length.
        tags = self._collate([self._tokens[self._sentences[row] if seen else ""] for row, seen in pairs])
        changed = {name: getattr(audio, name) for name in ("valid", "features", "waveforms", "states")}
        return AudioInputs(**changed, tags=tags, has_tags=torch.from_numpy(shown[here]))

    def _seen(self, drawn: Drawn) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        rows = [self._rows[caption] for caption in drawn.captions]
        for name, view in (("teacher", self._teacher), ("distilled", self._distilled)):
            if view is not None:
                found[f"{name}_audio"] = view.audio[drawn.clips]
                found[f"{name}_text"] = view.text[rows]
        if self._meanings is not None:
            found["caption_meanings"] = self._meanings[rows]
        if self._clusters is not None:
            found["clusters"] = self._clusters[rows]
        if self.compares or self._means_by_states:
            states = self._collate([self._tokens[caption] for caption in drawn.captions])["states"]
            if self.compares:
                found["caption_states"] = states
            if self._means_by_states:
                found["caption_meanings"] = states
        return found


class _View:
    """A teacher's embeddings by row: one tensor each, which other processes share, not a file of memory per caption."""

    def __init__(self, view: TeacherView, captions: Sequence[str]) -> None:
        self.audio = view.audio
        self.text = torch.stack([view.text[caption] for caption in captions])


def _relevance_by_tower(settings: Training) -> bool:
    chosen = settings.objective.contrastive
    return bool(chosen.weight) and chosen.targets == "relevance" and chosen.relevance_model is None


def without_words(text: str, share: float, random: np.random.Generator) -> str:
    """Return a text of which each word is dropped with probability `share`; one word at least is kept."""
    words = text.split()
    if not words:
        return text
    drawn = random.random(len(words))
    kept = [word for word, value in zip(words, drawn, strict=True) if value >= share]
    return " ".join(kept or [words[int(np.argmax(drawn))]])
