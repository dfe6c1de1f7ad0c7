"""What a training stage leaves behind: the model folder, its curves, its chapter, and its cost (undeclared)."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from clapline.chapter import Chapter, figure, table, text, write_chapter
from clapline.figures import new_figure, save_figure
from clapline.model.clap import Clap
from clapline.params.training import Training
from clapline.storage import atomic_folder, write_json, write_text
from stages.train.card import model_card
from stages.train.data import TrainingData
from stages.train.loop import History


def write_outputs(
    stage: str, clap: Clap, history: History, data: TrainingData, settings: Training, words: str, began: float
) -> None:
    """Write models/<stage>, reports/<stage> and reports/cost/<stage>.json.

    `curve.tsv` has a row every `log_every_steps` (loss and its parts, rates, temperature and bias), `validation.tsv`
    one per validation.
    """
    drawn = [
        [source.name, source.weight, len(source.clips), sum(len(captions) for captions in source.captions)]
        for source in data.sources
    ]
    clap.save(Path("models") / stage, model_card(stage, clap, history, drawn, words, settings))
    # A run of no step still has the columns that plots ask for.
    curve = pd.DataFrame(history.curve, columns=None if history.curve else ["step", "loss", "logit_scale"])
    validation = pd.DataFrame(history.rows)
    with atomic_folder(Path("reports") / stage) as folder:
        # %.6g: the last digits of a float sum are noise between machines.
        for name, rows in {"curve": curve, "validation": validation}.items():
            write_text(folder / f"{name}.tsv", rows.to_csv(sep="\t", index=False, float_format="%.6g"))
        blocks = [text(words)]
        if not curve.empty:
            blocks.append(
                table(
                    "Sources of pairs (a batch comes from one source, drawn by weight)",
                    ["source", "weight", "clips", "captions"],
                    drawn,
                )
            )
        if not curve.empty:
            _draw(curve, validation, history.kept_step, folder / "curve.svg")
            blocks.append(figure("Training loss, validation and temperature", "curve.svg"))
        kept = f"The weights of step {history.kept_step} were kept"
        chosen = ", the last."
        if history.best >= 0:
            how = "the best by" if settings.choose == "best" else "the last;"
            chosen = f", {how} validation mAP@10 ({history.best:.3f})."
        if curve.empty:
            kept, chosen = (
                "No step was trained",
                f": validation mAP@10 {history.best:.3f}." if history.best >= 0 else ".",
            )
        blocks.append(text(kept + chosen))
        write_chapter(folder, Chapter(stage.capitalize(), blocks))
    write_json(Path("reports/cost") / f"{stage}.json", _cost(clap, history, settings, began))


def _cost(clap: Clap, history: History, settings: Training, began: float) -> dict[str, Any]:
    """Return what the run took, from where it was last resumed; `pairs_seen` counts all its steps."""
    steps = history.rows[-1]["step"]
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes on macOS, else kilobytes
    memory = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)}
    if clap.device.type == "cuda":
        memory["device"] = round(torch.cuda.max_memory_allocated(clap.device) / 2**20, 1)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "steps": steps,
        "pairs_seen": steps * settings.batch_size * settings.accumulation,
        "parameters": sum(parameter.numel() for parameter in clap.parameters()),
        "device": str(clap.device),
        "threads": torch.get_num_threads(),
        "peak_memory_mib": memory,
    }


def _draw(curve: pd.DataFrame, validation: pd.DataFrame, kept_step: int, path: Path) -> None:
    drawing = new_figure()
    left, middle, right = drawing.subplots(1, 3)
    left.plot(curve.step, curve.loss, marker=".")
    left.set(xlabel="step", ylabel="training loss")
    if "val_map10" in validation:
        middle.plot(validation.step, validation.val_map10, color="#dd6b20", marker=".")
        middle.axvline(kept_step, color="0.6", linestyle=":")
    middle.set(xlabel="step", ylabel="validation mAP@10, text to audio")
    right.plot(curve.step, curve.logit_scale, color="#2f855a", marker=".")
    right.set(xlabel="step", ylabel="logit scale (1 / temperature)")
    if "logit_bias" in curve:
        bias = right.twinx()
        bias.plot(curve.step, curve.logit_bias, color="#805ad5", linestyle="--", marker=".")
        bias.set_ylabel("logit bias (dashed)")
    save_figure(drawing, path)
