"""The training loop: read, embed, objective, step; validate; keep the best; resume at any step to the bit."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from rich.progress import Progress
from torch import nn
from torch.utils.data import Dataset

from clapline.errors import UserError
from clapline.model.batch_norm import gather_statistics
from clapline.model.clap import Clap
from clapline.objectives.health import FIGURES, alarms
from clapline.params.machine import Machine
from clapline.params.training import Training
from clapline.processes import world_size
from clapline.progress import progress_bar
from clapline.randomness import derived_seed
from stages.train.augment import ready
from stages.train.batch import Batch
from stages.train.cached import cached_backward
from stages.train.checkpoints import Checkpoint
from stages.train.curves import LiveCurves
from stages.train.distributed import is_first, once, rank
from stages.train.loading import batches
from stages.train.meter import Clock, Sums
from stages.train.optimiser import build_optimiser, learning_rates
from stages.train.schedule import set_learning_rates
from stages.train.task import Task
from stages.train.validation import Validation

SAY_EVERY_S = 30.0  # lines between validations, which have one each


@dataclass
class History:
    """What happened: rows of the training curve, one row per validation, and which step's weights were kept."""

    rows: list[dict[str, float]] = field(default_factory=list)  # per validation: means since the one before
    curve: list[dict[str, float]] = field(default_factory=list)  # every log_every_steps: means since the one before
    kept_step: int = 0
    best: float = -1.0


class Trainer:
    """One run: a Clap, what feeds it, and settings.

    Several processes: each has a Trainer with the same settings, and a feeder of its own share. The first one
    validates, saves and speaks; all leave `run` with the kept weights.

    Args:
        clap: the model; it is trained in place.
        feeder: batches by micro-step, `settings.accumulation` of them per step.
        settings: of the run.
        stage: that trains, for draws and for what is said.
        seed: of the run.
        machine: how, never what: loaders, device, compiling, time between checkpoints.
        validate_every: steps between validations.
        validation: chooses the kept weights; None: the last step's are kept.
        live: folder of the live curves; None: none.
        fill: what masked places of the features are set to, their mean.
    """

    def __init__(
        self,
        clap: Clap,
        feeder: Dataset,
        settings: Training,
        *,
        stage: str,
        seed: int,
        machine: Machine,
        validate_every: int,
        validation: Validation | None = None,
        live: Path | None = None,
        fill: float = 0.0,
    ) -> None:
        if len(feeder) % settings.accumulation:
            raise ValueError(f"{len(feeder)} batches are no whole number of steps of {settings.accumulation} each")
        if settings.batch_size % world_size():
            raise UserError(
                f"batch_size {settings.batch_size} cannot be shared by {world_size()} processes: make it a multiple"
            )
        if settings.encode_at_once is not None and clap.text_aware and world_size() > 1:
            raise UserError(
                "encode_at_once with several processes needs embeddings; under text-aware pooling (audio.pooling: tap) "
                "set it to null"
            )
        self.clap, self.feeder, self.settings = clap, feeder, settings
        self.stage, self.seed, self.machine = stage, seed, machine
        self.validate_every, self.validation, self.live = validate_every, validation, live
        self.steps = len(feeder) // settings.accumulation
        crop_s = settings.augmentation.crop_s
        self.crop_frames = None if crop_s is None else clap.front_end.frames_of(crop_s)
        self.fill = fill
        self._warned: set[str] = set()
        # Frames of a single segment are not cut under encoders that hear a fixed length.
        self.cuts = clap.front_end.segments > 1 or not getattr(clap.audio, "fixed_length", False)

    def run(self, checkpoint: Checkpoint) -> History:
        """Train to the last step and leave the kept weights in the model, in evaluation mode.

        Raises:
            UserError: the loss is no number. What was saved before stays.
        """
        settings = self.settings
        accelerator = self._accelerator()
        # From here on: sums over all processes in batch norm, TF32 on a GPU.
        if world_size() > 1:
            gather_statistics(self.clap)
        if accelerator.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        saved = checkpoint.load()
        if saved is not None:
            self.clap.load_state_dict(saved["model"])
        self.clap.to(accelerator.device)
        # The classifier of clusters is drawn here, from a seed of its own; a resumed run loads what it learned.
        torch.manual_seed(derived_seed(self.seed, self.stage, "objective"))
        task = Task(self.clap, settings).to(accelerator.device)  # before the optimiser: it fixes what is not used
        optimiser = build_optimiser(task, settings, accelerator.device)
        if self.machine.compile:
            compile_encoders(self.clap)
        model = accelerator.prepare_model(task)
        self.clap.bound_logit_scale()
        state = _State(task, optimiser)
        if saved is not None:
            state.restore(saved)
            if accelerator.device.type == "cpu":
                # Sums are split among threads: with another number of them the last bits would be others.
                torch.set_num_threads(saved["threads"])
            del saved
            if is_first():
                print(f"{self.stage}: resumed at step {state.step} of {self.steps}", file=sys.stderr)
        self._curves = LiveCurves(self.live if is_first() else None, state.history.curve)
        self._clock, self._said = Clock(accelerator.device), time.monotonic()
        saved_at = time.monotonic()
        if self.steps == 0 and not state.history.rows:
            self._validate(state, checkpoint)
        self.clap.eval()  # so that the first step turns all of it to training, parts that came in evaluation mode too
        first = state.step * settings.accumulation
        feed = contextlib.closing(batches(self.feeder, first, self.machine, accelerator.device))
        with feed as ahead, progress_bar(shown=self.machine.progress and is_first()) as bar:
            shown = bar.add_task(f"{self.stage} steps", total=self.steps, completed=state.step)
            while state.step < self.steps:
                self._step(accelerator, model, optimiser, ahead, state)
                state.step += 1
                self._clock.steps += 1
                bar.advance(shown)
                last = state.step == self.steps
                if last or state.step % settings.log_every_steps == 0:
                    self._log(state, optimiser, bar)
                if last or state.step % self.validate_every == 0:
                    self._validate(state, checkpoint)
                    saved_at = time.monotonic()
                elif is_first() and time.monotonic() - saved_at >= self.machine.save_every_s:
                    # Not folded into the means: sums added up at moments of the clock would differ in their last bits.
                    self._check(state.pending.fetch(), state)
                    checkpoint.save(state.saved())
                    saved_at = time.monotonic()
        once(lambda: None)  # the first process has written them
        self.clap.load_state_dict(checkpoint.kept(state.history.kept_step))
        self.clap.eval()
        return state.history

    def _accelerator(self) -> Accelerator:
        wrapping = DistributedDataParallelKwargs(
            # Statistics of batch norm are those of all processes already; nothing else in a Clap moves by itself.
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
            # A loss of points gives the variances of Gaussian heads no gradient; one of masked clips, not all of them.
            find_unused_parameters=self.clap.settings.head.distribution == "gaussian",
        )
        # torch is about to rename the option; what it says of that would stand before every run's own lines.
        warnings.filterwarnings("ignore", "broadcast_buffers", FutureWarning)
        # Precision is the task's affair: encoders in bf16, the objective in fp32.
        cpu = self.machine.device == "cpu"
        return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[wrapping])

    def _step(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        ahead: Iterator[Batch],
        state: _State,
    ) -> None:
        settings = self.settings
        set_learning_rates(optimiser, state.step, self.steps, settings)
        if not self.clap.training:
            model.train()
        share = 1 / settings.accumulation
        for inner in range(settings.accumulation):
            with self._clock.waiting():
                batch = next(ahead)
            # Gradients travel once per step: with the last of its batches.
            alone = inner + 1 < settings.accumulation
            loss, parts = self._backward(accelerator, model, batch.to(accelerator.device), share, travels=not alone)
            state.pending.add({"loss": loss, **parts}, share)
        if settings.gradient_norm is not None:
            norm = accelerator.clip_grad_norm_(model.parameters(), settings.gradient_norm)
            state.pending.add({"gradient_norm": norm})
        optimiser.step()
        self.clap.bound_logit_scale()
        optimiser.zero_grad(set_to_none=True)

    def _backward(
        self, accelerator: Accelerator, model: nn.Module, batch: Batch, share: float, *, travels: bool
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Add a batch's gradients to the weights; return its loss and figures."""
        m, at_once = batch.step, self.settings.encode_at_once
        with torch.no_grad():
            audio = ready(
                batch.audio,
                self.clap.front_end,
                self.settings.augmentation,
                self.crop_frames,
                self.fill,
                self.seed,
                self.stage,
                m,
                first=batch.first,
                pairs=batch.pairs,
                heard=batch.heard if self.cuts else 1.0,
            )
        # Dropout is drawn from the micro-step, not from what was drawn before: a resumed run meets the same masks.
        item = ("dropout", m, *((rank(),) if rank() else ()))

        def begin(*piece: int) -> None:
            torch.manual_seed(derived_seed(self.seed, self.stage, *item, *(f"piece {number}" for number in piece)))

        if at_once is not None and at_once < batch.local:
            alone = partial(accelerator.no_sync, model)
            return cached_backward(model, audio, batch, at_once, share, begin, alone, travels)
        begin()
        with contextlib.nullcontext() if travels else accelerator.no_sync(model):
            loss, parts = model(audio, batch)
            accelerator.backward(loss * share)
        return loss, parts

    def _log(self, state: _State, optimiser: torch.optim.Optimizer, bar: Progress) -> None:
        self._fold(state)
        row = {"step": state.step, **state.since_log.means(state.step)}
        row |= {f"learning_rate_{part}": rate for part, rate in learning_rates(optimiser).items()}
        row |= self._logits()
        state.history.curve.append(row)
        state.since_log = _Means(state.step)
        self._curves.add(row)
        validates = state.step == self.steps or state.step % self.validate_every == 0  # and speaks then
        if is_first() and not validates and time.monotonic() - self._said >= SAY_EVERY_S:
            self._say(row)

    def _fold(self, state: _State) -> None:
        """Fetch what was summed on the device, check it, and add it to the means under way."""
        values = state.pending.take()
        self._check(values, state)
        state.since_log.add(values)
        state.since_validation.add(values)
        state.checked_step = state.step

    def _check(self, values: dict[str, float], state: _State) -> None:
        since = state.checked_step + 1
        where = f"at step {state.step}" if since == state.step else f"between steps {since} and {state.step}"
        for name, value in values.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{self.stage}: {name.replace('_', ' ')} became {value} {where}; lower the learning rate"
                )

    def _validate(self, state: _State, checkpoint: Checkpoint) -> None:
        """Add a row of the history, keep the weights if they are the best, and save the state."""
        self._fold(state)
        row = {"step": state.step, **state.since_validation.means(state.step), **self._logits()}
        state.since_validation = _Means(state.step)
        history = state.history

        def judge() -> tuple[float | None, bool]:
            value = None if self.validation is None else self.validation.map10(self.clap)
            return value, self._improves(value, state)

        value, improves = once(judge)
        if value is not None:
            row["val_map10"] = value
            self._curves.add({"step": state.step, "val_map10": value})
        history.rows.append(row)
        if improves:
            state.kept = history.kept_step = state.step
            history.best = -1.0 if value is None else value
        if is_first():
            if improves:
                checkpoint.keep(state.step, self.clap.state_dict())
            checkpoint.save(state.saved())
            self._say(row)
            self._warn(row)

    def _improves(self, value: float | None, state: _State) -> bool:
        if value is not None and math.isnan(value):
            raise UserError(f"{self.stage}: embeddings are no numbers at step {state.step}; lower the learning rate")
        if self.settings.choose == "last" or value is None:
            return state.step == self.steps
        return value > state.history.best

    def _logits(self) -> dict[str, float]:
        found = {"logit_scale": float(self.clap.logit_scale().detach())}
        if self.clap.logit_bias is not None:
            found["logit_bias"] = float(self.clap.logit_bias.detach())
        return found

    def _say(self, row: dict[str, float]) -> None:
        self._said = time.monotonic()
        left_out = ("step", "learning_rate_", *FIGURES)  # the curve has them
        shown = {name: value for name, value in row.items() if not name.startswith(left_out)}
        values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        clips = self.settings.batch_size * self.settings.accumulation
        spent = self._clock.words(clips, self.steps - row["step"]) if self._clock.steps else ""
        print(f"{self.stage} step {row['step']}/{self.steps}  {values}  {spent}".rstrip(), file=sys.stderr, flush=True)

    def _warn(self, row: dict[str, float]) -> None:
        """Say once of each figure of the Gaussians that is out of bounds."""
        for line in alarms(row):
            what = line.split(":")[0]
            if what not in self._warned:
                self._warned.add(what)
                print(f"{self.stage} step {row['step']}: {line}", file=sys.stderr, flush=True)


class _Means:
    """Sums of values over steps since one."""

    def __init__(self, since: int, sums: dict[str, float] | None = None) -> None:
        self.since, self.sums = since, dict(sums or {})

    def add(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self, step: int) -> dict[str, float]:
        return {name: value / (step - self.since) for name, value in self.sums.items()}


class _State:
    """Where a run stands: all that a resumed one needs, and nothing that the step number tells."""

    def __init__(self, task: Task, optimiser: torch.optim.Optimizer) -> None:
        self.task, self.optimiser = task, optimiser
        self.step = 0
        self.kept: int | None = None  # step of the weights that were kept
        self.history = History()
        self.pending = Sums()  # on the device: not fetched yet
        self.since_log, self.since_validation = _Means(0), _Means(0)
        self.checked_step = 0

    def saved(self) -> dict:
        """Return the state as tensors and plain values."""
        return {
            "step": self.step,
            "kept": self.kept,
            "model": self.task.clap.state_dict(),
            "classifier": {} if self.task.classifier is None else self.task.classifier.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": asdict(self.history),
            "pending": self.pending.fetch(),
            "since_log": vars(self.since_log),
            "since_validation": vars(self.since_validation),
            "checked_step": self.checked_step,
            "threads": torch.get_num_threads(),
        }

    def restore(self, saved: dict) -> None:
        """Take over a saved state, but for the weights of the model."""
        self.step, self.kept, self.checked_step = saved["step"], saved["kept"], saved["checked_step"]
        if self.task.classifier is not None:
            self.task.classifier.load_state_dict(saved["classifier"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.history = History(**saved["history"])
        self.pending = Sums(saved["pending"])
        self.since_log, self.since_validation = _Means(**saved["since_log"]), _Means(**saved["since_validation"])


def compile_encoders(clap: Clap, **options: object) -> None:
    """Compile both encoders in place, so that the names of their weights stay: of each the method that a Clap calls.

    A shape that changes is compiled for any size the second time it comes up. An encoder that is all frozen is left
    alone: its states are cached. `options` are torch.compile's.
    """
    # A number that is fetched from the device splits the compiled code in two; torch warns of each place at length.
    torch._logging.set_logs(dynamo=logging.ERROR)
    for encoder in (clap.audio, clap.text):
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            continue
        if hasattr(encoder, "forward_columns"):
            encoder.forward_columns = torch.compile(encoder.forward_columns, **options)
        else:
            encoder.compile(**options)
