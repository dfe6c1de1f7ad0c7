"""`python benchmarks/front_ends.py`: milliseconds of each front end per 10 s of sound, beside its reference extractor.

One thread, noise, CPU time (with one thread it is the wall time of an idle machine). Rounds alternate (front end on a
batch, on one clip, a plain batched torch.stft, the reference), each about as long, so that other load on the machine
falls on all; what counts is the ratio within a round. References: transformers' ClapFeatureExtractor and
ASTFeatureExtractor, fed a list of clips; the other kinds have none there.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # read when torch is imported

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from transformers import ASTFeatureExtractor, ClapFeatureExtractor

from clapline.model.front_ends import FrontEnd, build_front_end
from clapline.params.features import Features

ROUND_S = 0.25  # of every way, in every round


def main() -> None:
    """Print a table: per kind, milliseconds and how many times faster than the reference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=16, help="clips of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, batches of {arguments.clips} clips, {arguments.rounds} rounds")
    print("min / median / max over rounds; CPU milliseconds per 10 s of sound\n")
    print(f"{'kind':9}{'what':28}{'ms':>22}{'front end is faster by':>26}")
    for kind in ("log_mel", "clap", "passt", "atst", "ast"):
        features = Features(kind=kind) if kind == "ast" else Features(kind=kind, duration_s=10.0)
        _report(build_front_end(features), arguments.clips, arguments.rounds)


def _report(front_end: FrontEnd, clips: int, rounds: int) -> None:
    features = front_end.settings
    noise = 0.1 * np.random.default_rng(0).standard_normal((clips, features.samples), dtype=np.float32)
    waveforms, clip_list = torch.from_numpy(noise), list(noise)
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "front end, batch": (lambda: front_end(waveforms), clips),
        "front end, one clip": (lambda: front_end(waveforms[:1]), 1),
        "plain batched torch.stft": (lambda: _plain(front_end, waveforms), clips),
    }
    if features.kind == "clap":
        extractor = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
        ways["ClapFeatureExtractor"] = (lambda: extractor(clip_list, sampling_rate=48000, return_tensors="pt"), clips)
    if features.kind == "ast":
        extractor = ASTFeatureExtractor()
        ways["ASTFeatureExtractor"] = (lambda: extractor(clip_list, sampling_rate=16000, return_tensors="pt"), clips)
    measured: dict[str, list[float]] = {name: [] for name in ways}
    repeats = {name: max(1, round(ROUND_S / _cpu_s(work, 1))) for name, (work, _) in ways.items()}
    for _ in range(rounds):
        for name, (work, count) in ways.items():
            seconds = _cpu_s(work, repeats[name]) / count
            measured[name].append(1000 * seconds * 10 / features.duration_s)
    ours = measured["front end, batch"]
    for name, times in measured.items():
        ratios = [theirs / own for own, theirs in zip(ours, times, strict=True)]
        faster = "" if times is ours else _three(ratios)
        print(f"{features.kind:9}{name:28}{_three(times):>22}{faster:>26}")
    print()


def _cpu_s(work: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def _plain(front_end: FrontEnd, waveforms: torch.Tensor) -> torch.Tensor:
    """The usual way: one transform of the whole batch, its power, all bins times the filters, log."""
    spectrum = torch.stft(
        waveforms, front_end.fft_samples, front_end.settings.hop_samples, return_complex=True,
        window=torch.nn.functional.pad(front_end.window, (0, front_end.fft_samples - len(front_end.window))),
    )  # fmt: skip
    filters = front_end.mel_filters(front_end.settings.minimum_hz, front_end.settings.maximum_hz)
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log(power.transpose(1, 2) @ filters + 1e-10)


def _three(values: list[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))


if __name__ == "__main__":
    main()
