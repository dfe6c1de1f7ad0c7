"""Building blocks of the sound models: draws that remember what they decided, tones, noise, grains, filters, envelopes.

Every signal is a float64 array at 16 kHz. Nothing here is random but what comes from the `Draw`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SAMPLE_RATE_HZ = 16_000
Signal = NDArray[np.float64]


class Draw:
    """The random choices of one event of `n` samples; notes when its tempo or pitch is extreme for the class."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng = rng
        self.n = n
        self.seconds = n / SAMPLE_RATE_HZ
        self.traits: list[str] = []

    def uniform(self, low: float, high: float) -> float:
        """Draw a number between `low` and `high`."""
        return float(self.rng.uniform(low, high))

    def log(self, low: float, high: float) -> float:
        """Draw a number whose logarithm is uniform."""
        return low * (high / low) ** float(self.rng.random())

    def pitch(self, low: float, high: float) -> float:
        """Draw a frequency in Hz, log-uniform; the outer quarters of the range are the traits `low` and `high`."""
        return self._noted(low, high, "low", "high")

    def tempo(self, low: float, high: float) -> float:
        """Draw a rate in Hz, log-uniform; the outer quarters of the range are the traits `slow` and `fast`."""
        return self._noted(low, high, "slow", "fast")

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return bool(self.rng.random() < probability)

    def noise(self, n: int | None = None) -> Signal:
        """Return white noise of unit variance."""
        return self.rng.standard_normal(self.n if n is None else n, dtype=np.float32).astype(np.float64)

    def wander(self, rate_hz: float, n: int | None = None) -> Signal:
        """Return a smooth random curve between -1 and 1 that turns about `rate_hz` times a second."""
        n = self.n if n is None else n
        knots = max(3, int(rate_hz * n / SAMPLE_RATE_HZ) + 2)
        return np.interp(np.linspace(0, knots - 1, n), np.arange(knots), self.rng.uniform(-1, 1, knots))

    def onsets(self, rate_hz: float, jitter: float = 0.0) -> Signal:
        """Return onset times in seconds, `rate_hz` a second, each moved by up to `jitter` of a period."""
        count = max(1, int(self.seconds * rate_hz))
        times = (np.arange(count) + self.rng.uniform(-jitter, jitter, count)) / rate_hz
        return np.clip(times, 0, None)

    def poisson(self, rate_hz: float) -> Signal:
        """Return sorted onset times in seconds of a Poisson process, at least one."""
        count = max(1, int(self.rng.poisson(rate_hz * self.seconds)))
        return np.sort(self.rng.uniform(0, self.seconds, count))

    def _noted(self, low: float, high: float, trait_low: str, trait_high: str) -> float:
        position = float(self.rng.random())
        if position < 0.25:
            self.traits.append(trait_low)
        elif position > 0.75:
            self.traits.append(trait_high)
        return low * (high / low) ** position


def samples(seconds: float) -> int:
    """Return a length in samples, at least 16."""
    return max(16, round(seconds * SAMPLE_RATE_HZ))


def clock(n: int) -> Signal:
    """Return the times of `n` samples in seconds."""
    return np.arange(n) / SAMPLE_RATE_HZ


def contour(n: int, values: Sequence[float], at: Sequence[float] | None = None) -> Signal:
    """Return a curve through positive `values` (at fractions `at` of its length), straight on a log scale."""
    places = np.linspace(0, 1, len(values)) if at is None else np.asarray(at)
    return np.exp(np.interp(np.linspace(0, 1, n), places, np.log(values)))


def tone(f0: Signal | float, n: int | None = None, partials: Sequence[float] = (1.0,)) -> Signal:
    """Return a harmonic stack over the contour `f0` in Hz; partials that would pass 7.6 kHz are left out.

    Uses sin((k+1)x) = 2 cos(x) sin(kx) - sin((k-1)x): one sine and one cosine however many partials.
    """
    if not isinstance(f0, np.ndarray):
        f0 = np.full(n if n is not None else 1, float(f0))
    cycles = np.cumsum(f0) / SAMPLE_RATE_HZ
    angle = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    keep = max(1, min(len(partials), int(7600 / max(float(f0.max()), 1.0))))
    previous, current = np.zeros_like(angle), np.sin(angle)
    total = np.float32(partials[0]) * current
    if keep > 1:
        double_cosine = 2 * np.cos(angle)
        for amplitude in partials[1:keep]:
            previous, current = current, double_cosine * current - previous
            total += np.float32(amplitude) * current
    return total.astype(np.float64)


def falling(count: int, slope: float = 1.0) -> Signal:
    """Return `count` partial amplitudes k ** -slope."""
    return np.arange(1, count + 1, dtype=float) ** -slope


def decay(n: int, tau_s: float, attack_s: float = 0.002) -> Signal:
    """Return an envelope that rises in `attack_s` and dies away with time constant `tau_s`."""
    t = clock(n)
    return np.exp(-t / tau_s) * np.minimum(1, t / max(attack_s, 1e-4))


def hump(n: int, attack: float = 0.15, release: float = 0.3) -> Signal:
    """Return an envelope with raised-cosine flanks, given as fractions of its length."""
    envelope = np.ones(n)
    rise, fall = max(1, int(attack * n)), max(1, int(release * n))
    envelope[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    envelope[n - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return envelope


def struck(n: int, frequencies: Sequence[float], taus_s: Sequence[float], gains: Sequence[float]) -> Signal:
    """Return a struck body: a sum of damped sines (modal synthesis); modes above 7.6 kHz are left out."""
    t = clock(n)
    total = np.zeros(n)
    for frequency, tau, gain in zip(frequencies, taus_s, gains, strict=True):
        if frequency < 7600:
            total += gain * np.exp(-t / tau) * np.sin(2 * np.pi * frequency * t)
    return total * np.minimum(1, t / 0.001)


def lay(n: int, times_s: Sequence[float] | Signal, grain: Callable[[int], Signal]) -> Signal:
    """Return `n` samples with the i-th grain `grain(i)` added at the i-th time; what runs over the end is cut."""
    out = np.zeros(n)
    for index, time in enumerate(times_s):
        start = int(time * SAMPLE_RATE_HZ)
        if start < n:
            piece = grain(index)[: n - start]
            out[start : start + len(piece)] += piece
    return out


def fft_size(n: int) -> int:
    """Return a quick FFT size of at least `n` from a short ladder, so that `octaves_of` finds most sizes again."""
    step = 1 << max(0, n.bit_length() - 4)
    return next(part * step for part in (8, 9, 10, 12, 15, 16) if part * step >= n)


@functools.lru_cache(maxsize=64)
def octaves_of(size: int) -> NDArray[np.float32]:
    """Return log2 of the frequencies in Hz of a real FFT of `size` points; below 20 Hz as at 20 Hz. Read only."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ), 20.0)).astype(np.float32)
    octaves.flags.writeable = False
    return octaves


def filtered(signal: Signal, gain: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Signal:
    """Return the signal with its spectrum multiplied by `gain(log2 of Hz)` (zero phase, single precision)."""
    size = fft_size(len(signal) + 800)
    shaped = fft.rfft(signal.astype(np.float32), size) * gain(octaves_of(size))
    return fft.irfft(shaped, size)[: len(signal)].astype(np.float64)


def _bell(octaves: NDArray[np.float32], centre_hz: float, width: float) -> NDArray[np.float32]:
    return np.exp(np.float32(-0.5 / width**2) * (octaves - np.float32(np.log2(centre_hz))) ** 2)


def band(signal: Signal, centre_hz: float, octaves: float) -> Signal:
    """Return the signal through a bell around `centre_hz`, `octaves` wide (standard deviation)."""
    return filtered(signal, lambda place: _bell(place, centre_hz, octaves))


def formants(signal: Signal, centres_hz: Sequence[float], octaves: float = 0.25) -> Signal:
    """Return the signal through several resonances of falling height over a floor of -26 dB."""

    def gain(place: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.full_like(place, 0.05)
        for index, centre in enumerate(centres_hz):
            total += np.float32(0.7**index) * _bell(place, centre, octaves)
        return total

    return filtered(signal, gain)
