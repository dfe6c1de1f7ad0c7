"""One clip from its place in the dataset: plan, render, describe, write."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clapline import storage
from clapline.datasets.soundscapes.grammar import caption_tree, captions
from clapline.datasets.soundscapes.render import render_scene
from clapline.datasets.soundscapes.scene import plan
from clapline.datasets.soundscapes.synthesis import SAMPLE_RATE_HZ, Signal
from clapline.randomness import generator


def make_clip(seed: int, duration_s: float, split: str, index: int) -> tuple[Signal, dict[str, Any]]:
    """Return the waveform (samples,) within ±1 and the manifest line of one clip."""
    scene = plan(seed, split, index, duration_s)
    waveform, traits = render_scene(scene, generator(seed, "soundscapes", "audio", split, index))
    told, tree = (), ()
    if split not in ("pool", "single"):
        words = generator(seed, "soundscapes", "captions", split, index)
        told = captions(scene, traits, words)
        tree = caption_tree(scene, told, words)
    events = [{**asdict(event), "traits": list(heard)} for event, heard in zip(scene.events, traits, strict=True)]
    line = {
        "id": f"{split}_{index:06d}",
        "split": split,
        "captions": list(told),
        "tree": list(tree),
        "tags": list(dict.fromkeys(event.sound for event in scene.events)),
        "label": scene.events[0].sound if split == "single" else None,
        "scene": {**asdict(scene), "events": events},
    }
    return waveform, line


def write_clip(folder: Path, seed: int, duration_s: float, item: tuple[str, int]) -> dict[str, Any]:
    """Write one clip (split, index) as 16-bit FLAC into `folder`; return its manifest line."""
    waveform, line = make_clip(seed, duration_s, *item)
    whole = np.round(waveform * 32767).astype(np.int16)
    with storage.atomic_path(folder / f"{line['id']}.flac") as temporary:
        soundfile.write(temporary, whole, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return line
