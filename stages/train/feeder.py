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
from stages.train.data import Source, TeacherView, TrainingData
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
        teacher: TeacherView | None = None,
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
            teacher: what soft targets are made of.
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
            data, micro_steps, settings.batch_size, seed, stage, settings.pass_over, settings.length_buckets
        )
        self.positives = Positives(data.sources)
        self.dropped = settings.augmentation.text_dropout
        self.compares = settings.objective.contrastive.ignore_similar_captions_above is not None
        if self.compares and not model.text.frozen:
            raise UserError("objective.contrastive.ignore_similar_captions_above needs a frozen text tower")
        if self.dropped and model.text.frozen:
            raise UserError("augmentation.text_dropout makes new texts: a frozen text encoder has no state of them")
        texts = data.texts()
        if self.metadata.use != "none":
            self._sentences = [tags_sentence(tags) or "" for tags in data.tags] or [""] * len(data.clips)
            texts = sorted({*texts, *self._sentences, ""})
        self._tokens = dict(zip(texts, text.tokenise(texts), strict=True))
        self._collate = text.collate
        self._tokenizer = text.tokens if self.dropped else None
        self._soft = teacher is not None and settings.objective.contrastive.targets == "soft"
        if self._soft:
            captions = sorted({caption for source in data.sources for caption in _captions(source)})
            # One tensor, which other processes share; one per caption would be as many files of shared memory.
            self._teacher_audio = teacher.audio
            self._teacher_text = torch.stack([teacher.text[caption] for caption in captions])
            self._teacher_rows = {caption: row for row, caption in enumerate(captions)}

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
            views += drawn.paraphrases.values()
        return Batch(
            step=m,
            audio=self._tagged(audio, drawn, m),
            text=self._text(views, m),
            views=len(views),
            pairs=len(drawn.clips),
            positives=torch.from_numpy(self.positives.of(drawn)),
            first=self.first,
            heard=self.clips.heard(drawn.clips, m),
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
        if self._soft:
            found["teacher_audio"] = self._teacher_audio[drawn.clips]
            found["teacher_text"] = self._teacher_text[[self._teacher_rows[caption] for caption in drawn.captions]]
        if self.compares:
            states = self._collate([self._tokens[caption] for caption in drawn.captions])["states"]
            found["caption_similarity"] = states @ states.T
        return found


def without_words(text: str, share: float, random: np.random.Generator) -> str:
    """Return a text of which each word is dropped with probability `share`; one word at least is kept."""
    words = text.split()
    if not words:
        return text
    drawn = random.random(len(words))
    kept = [word for word, value in zip(words, drawn, strict=True) if value >= share]
    return " ".join(kept or [words[int(np.argmax(drawn))]])


def _captions(source: Source) -> list[str]:
    return [caption for captions in (*source.captions, *source.synthetic) for caption in captions]
