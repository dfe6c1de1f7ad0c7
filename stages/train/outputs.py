"""What a training stage leaves behind: the model folder, its curve, its chapter, and its cost (undeclared)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from clapline.chapter import Chapter, figure, table, text, write_chapter
from clapline.figures import new_figure, save_figure
from clapline.model.clap import Clap
from clapline.storage import atomic_folder, write_json, write_text
from stages.train.data import TrainingData
from stages.train.loop import History


def write_outputs(stage: str, clap: Clap, history: History, data: TrainingData, words: str, seconds: float) -> None:
    """Write models/<stage>, reports/<stage> and reports/cost/<stage>.json."""
    drawn = [
        [source.name, source.weight, len(source.clips), sum(len(captions) for captions in source.captions)]
        for source in data.sources
    ]
    clap.save(Path("models") / stage, _card(stage, clap, history, drawn, words))
    curve = pd.DataFrame(history.rows)
    with atomic_folder(Path("reports") / stage) as folder:
        # %.6g: the last digits of a float sum are noise between machines.
        write_text(folder / "curve.tsv", curve.to_csv(sep="\t", index=False, float_format="%.6g"))
        blocks = [
            text(words),
            table(
                "Sources of pairs (a batch comes from one source, drawn by weight)",
                ["source", "weight", "clips", "captions"],
                drawn,
            ),
        ]
        drawing = new_figure()
        left, right = drawing.subplots(1, 2)
        left.plot(curve.step, curve.loss)
        left.set(xlabel="step", ylabel="training loss")
        if "val_map10" in curve:
            right.plot(curve.step, curve.val_map10, color="#dd6b20")
            right.axvline(history.kept_step, color="0.6", linestyle=":")
            right.set(xlabel="step", ylabel="validation mAP@10, text to audio")
        save_figure(drawing, folder / "curve.svg")
        kept = f"The weights of step {history.kept_step} were kept"
        chosen = f", the best by validation mAP@10 ({history.best:.3f})." if history.best >= 0 else ", the last."
        blocks += [figure("Training loss and validation", "curve.svg"), text(kept + chosen)]
        write_chapter(folder, Chapter(stage.capitalize(), blocks))
    steps = history.rows[-1]["step"]
    write_json(
        Path("reports/cost") / f"{stage}.json",
        {
            "seconds": round(seconds, 2),
            "steps": steps,
            "parameters": sum(parameter.numel() for parameter in clap.parameters()),
        },
    )


def _card(stage: str, clap: Clap, history: History, sources: list[list], words: str) -> str:
    settings = clap.settings
    lines = [
        f"# clapline {stage}",
        "",
        words,
        "",
        f"- audio: {settings.audio.kind} {settings.audio.channels}, {settings.features.sample_rate_hz} Hz, "
        f"{settings.features.duration_s} s, {settings.features.mel_bands} mel bands",
        f"- text: {settings.text.model or settings.text.kind}{' (frozen)' if settings.text.frozen else ''}",
        f"- embedding: {settings.head.dimension} dimensions, unit length",
        f"- parameters: {sum(parameter.numel() for parameter in clap.parameters()):,}",
        f"- kept: step {history.kept_step} of {history.rows[-1]['step']:.0f}",
        *[
            f"- source {name}: weight {weight}, {clips} clips, {captions} captions"
            for name, weight, clips, captions in sources
        ],
        "",
        "```python",
        "from clapline import Clap",
        f'clap = Clap.from_pretrained("models/{stage}")',
        'clap.encode_texts(["a dog barks in the distance"])',
        "```",
        "",
    ]
    return "\n".join(lines)
