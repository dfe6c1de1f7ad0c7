"""The training loop: draw, embed, objective, step; validate; keep the best; resume at the last validation."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from clapline.errors import UserError
from clapline.model.clap import Clap
from clapline.objectives.compose import EmbeddedBatch, objective
from clapline.params.machine import Machine
from clapline.params.training import Training
from clapline.progress import progress_bar
from clapline.randomness import derived_seed, generator
from stages.train.augment import augment
from stages.train.batches import Drawn, Sampler
from stages.train.checkpoints import Checkpoint
from stages.train.data import TrainingData
from stages.train.optimiser import learning_rate_factor, parameter_groups
from stages.train.positives import Positives
from stages.train.validation import Validation


@dataclass
class History:
    """What happened: one row per validation, and which step's weights were kept."""

    rows: list[dict[str, float]] = field(default_factory=list)
    kept_step: int = 0
    best: float = -1.0


@dataclass(frozen=True)
class TeacherView:
    """The teacher's unit embeddings of everything a run draws from, computed once from whole clips."""

    audio: Tensor  # (clips, dimension)
    text: Mapping[str, Tensor]  # caption → (dimension,)


class Trainer:
    """One run: a Clap, its data and settings."""

    def __init__(
        self,
        clap: Clap,
        data: TrainingData,
        settings: Training,
        *,
        stage: str,
        seed: int,
        machine: Machine,
        validation: Validation | None = None,
        teacher: TeacherView | None = None,
    ) -> None:
        self.clap, self.data, self.settings = clap, data, settings
        self.stage, self.seed, self.machine = stage, seed, machine
        self.validation, self.teacher = validation, teacher
        self.sampler = Sampler(data, settings.steps, settings.batch_size, seed, stage)
        crop_s = settings.augmentation.crop_s
        self.crop_frames = None if crop_s is None else clap.front_end.frames_of(crop_s)
        self.fill = float(clap.audio.feature_mean)
        self.positives = Positives(data.sources)
        self.compare_captions = settings.objective.contrastive.ignore_similar_captions_above is not None
        if self.compare_captions and not clap.settings.text.frozen:
            raise UserError("objective.contrastive.ignore_similar_captions_above needs a frozen text tower")
        if clap.settings.text.frozen:
            clap.text.prepare(data.texts())  # every state is in the cache before the first step

    def run(self, checkpoint: Checkpoint) -> History:
        """Train to the last step and leave the kept weights in the model."""
        settings = self.settings
        accelerator = Accelerator(cpu=self.machine.device == "cpu", mixed_precision=_mixed(settings.precision))
        optimizer = torch.optim.AdamW(parameter_groups(self.clap, settings), betas=(0.9, 0.999))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, settings.steps, settings.warm_up)
        )
        model, optimizer = accelerator.prepare(self.clap, optimizer)
        history, start = History(), 0
        kept = copy.deepcopy(self.clap.state_dict())
        saved = checkpoint.load()
        if saved is not None:
            self.clap.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            schedule.load_state_dict(saved["schedule"])
            kept, start = saved["kept"], saved["step"]
            history = History(**saved["history"])
            print(f"{self.stage}: resumed at step {start} of {settings.steps}", file=sys.stderr)
        sums: dict[str, float] = {}
        with progress_bar(shown=self.machine.progress) as bar:
            task = bar.add_task(f"{self.stage} steps", total=settings.steps, completed=start)
            waited, began = 0.0, time.perf_counter()
            for step in range(start, settings.steps):
                moment = time.perf_counter()
                features, inputs, drawn = self._batch(step)
                waited += time.perf_counter() - moment
                # Dropout is drawn from the step, not from what was drawn before: a resumed run meets the same masks.
                torch.manual_seed(derived_seed(self.seed, self.stage, "dropout", step))
                self.clap.train()
                with accelerator.autocast():
                    audio, texts = model(features, inputs)
                loss, parts = objective(
                    settings.objective, self._embedded(audio, texts, drawn), self.clap.logit_scale()
                )
                if not torch.isfinite(loss):
                    raise UserError(f"{self.stage}: the loss is {loss.item()} at step {step}; lower the learning rate")
                optimizer.zero_grad(set_to_none=True)
                accelerator.backward(loss)
                if settings.gradient_norm is not None:
                    accelerator.clip_grad_norm_(self.clap.parameters(), settings.gradient_norm)
                optimizer.step()
                schedule.step()
                for name, value in {"loss": loss, **parts}.items():
                    sums[name] = sums.get(name, 0.0) + float(value.detach())
                bar.advance(task)
                last = step + 1 == settings.steps
                if last or (step + 1) % settings.validate_every_steps == 0:
                    row = self._row(step + 1, sums, schedule)
                    history.rows.append(row)
                    if self._improves(row, history, last):
                        history.kept_step, history.best = step + 1, row.get("val_map10", -1.0)
                        kept = copy.deepcopy(self.clap.state_dict())
                    self._say(row, step + 1 - start, waited, time.perf_counter() - began)
                    sums = {}
                    checkpoint.save(
                        {
                            "model": self.clap.state_dict(),
                            "kept": kept,
                            "optimizer": optimizer.state_dict(),
                            "schedule": schedule.state_dict(),
                            "step": step + 1,
                            "history": vars(history),
                        }
                    )
        self.clap.load_state_dict(kept)
        self.clap.eval()
        return history

    def _batch(self, step: int) -> tuple[Tensor, dict[str, Tensor], Drawn]:
        drawn = self.sampler.draw(step)
        features = self.data.features[drawn.clips].to(self.clap.device).float()
        random = generator(self.seed, self.stage, "augment", step)
        features = augment(features, self.settings.augmentation, self.crop_frames, self.fill, random)
        texts = [*drawn.captions]
        if self.settings.objective.paraphrase.weight:
            for paraphrases in drawn.paraphrases.values():
                texts += paraphrases
        inputs = {name: tensor.to(self.clap.device) for name, tensor in self.clap.text.prepare(texts).items()}
        return features, inputs, drawn

    def _embedded(self, audio: Tensor, texts: Tensor, drawn: Drawn) -> EmbeddedBatch:
        views = texts.split(len(drawn.captions))
        teacher_audio = teacher_text = similarity = None
        if self.teacher is not None and self.settings.objective.contrastive.targets == "soft":
            teacher_audio = self.teacher.audio[drawn.clips].to(audio.device)
            teacher_text = torch.stack([self.teacher.text[caption] for caption in drawn.captions]).to(audio.device)
        if self.compare_captions:
            states = self.clap.text.prepare(drawn.captions)["states"].to(audio.device)
            similarity = states @ states.T
        return EmbeddedBatch(
            audio=audio,
            text=views[0],
            positives=torch.from_numpy(self.positives.of(drawn)).to(audio.device),
            paraphrases=views[1:],
            teacher_audio=teacher_audio,
            teacher_text=teacher_text,
            caption_similarity=similarity,
        )

    def _row(self, step: int, sums: dict[str, float], schedule: torch.optim.lr_scheduler.LambdaLR) -> dict[str, float]:
        earlier = (step - 1) // self.settings.validate_every_steps * self.settings.validate_every_steps
        row: dict[str, Any] = {"step": step}
        row |= {name: value / (step - earlier) for name, value in sums.items()}
        row["learning_rate"] = schedule.get_last_lr()[0]
        row["logit_scale"] = float(self.clap.logit_scale().detach())
        if self.validation is not None:
            row["val_map10"] = self.validation.map10(self.clap)
        return row

    def _improves(self, row: dict[str, float], history: History, last: bool) -> bool:
        if self.settings.choose == "last" or self.validation is None:
            return last
        if math.isnan(row["val_map10"]):
            raise UserError(f"{self.stage}: embeddings are no numbers at step {row['step']}; lower the learning rate")
        return row["val_map10"] > history.best

    def _say(self, row: dict[str, float], steps: int, waited_s: float, passed_s: float) -> None:
        left_s = passed_s / steps * (self.settings.steps - row["step"])
        values = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "step")
        rate = steps * self.settings.batch_size / passed_s
        print(
            f"{self.stage} step {row['step']}/{self.settings.steps}  {values}  "
            f"data {waited_s:.1f} s of {passed_s:.1f} s  {rate:.0f} clips/s  {left_s:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _mixed(precision: str) -> str:
    return "no" if precision == "fp32" else precision


def feature_statistics(features: Tensor) -> tuple[float, float]:
    """Return mean and deviation of training features, summed in float64 clip by clip (flat memory)."""
    sums = np.array([[float(clip.double().sum()), float(clip.double().square().sum())] for clip in features]).sum(
        axis=0
    )
    mean = sums[0] / features.numel()
    return float(mean), float(math.sqrt(max(sums[1] / features.numel() - mean**2, 0.0)))
