"""The `features` part of a model: what an audio encoder hears. One kind per family of published front ends."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section

# What a kind says where params.yaml is silent: the published front end of its family.
RECIPES: dict[str, dict[str, Any]] = {
    "log_mel": {
        "sample_rate_hz": 16000, "window_samples": 800, "hop_samples": 320, "mel_bands": 64,
        "minimum_hz": 50.0, "maximum_hz": 7600.0, "duration_s": 5.0, "short": "repeat",
    },
    "clap": {
        "sample_rate_hz": 48000, "window_samples": 1024, "hop_samples": 480, "mel_bands": 64,
        "minimum_hz": 0.0, "maximum_hz": 14000.0, "duration_s": 10.0, "short": "repeat_pad",
    },
    "passt": {
        "sample_rate_hz": 32000, "window_samples": 800, "hop_samples": 320, "mel_bands": 128,
        "minimum_hz": 0.0, "maximum_hz": 15000.0, "duration_s": 10.0, "short": "zero",
    },
    "atst": {
        "sample_rate_hz": 16000, "window_samples": 1024, "hop_samples": 160, "mel_bands": 64,
        "minimum_hz": 60.0, "maximum_hz": 7800.0, "duration_s": 10.0, "short": "zero",
    },
    "ast": {
        "sample_rate_hz": 16000, "window_samples": 400, "hop_samples": 160, "mel_bands": 128,
        "minimum_hz": 20.0, "maximum_hz": 8000.0, "duration_s": 10.24, "short": "zero",
    },
}  # fmt: skip


class Features(Section):
    """Spectrogram front end. A kind's own numbers stand where a key is left out."""

    kind: Literal["log_mel", "clap", "passt", "atst", "ast"] = Field(
        "log_mel", description="small default; CLAP (LAION, MS-CLAP); PaSST and EfficientAT; ATST; AST"
    )
    sample_rate_hz: int = Field(16000, ge=4000, le=192000, description="must equal prepare.sample_rate_hz")
    resample_from_hz: int | None = Field(
        None, ge=4000, le=192000, description="clips prepared at this rate are resampled; null: rates must be equal"
    )
    window_samples: int = Field(800, ge=64, le=16384, description="analysis window")
    hop_samples: int = Field(320, ge=16, le=8192, description="step between frames")
    mel_bands: int = Field(64, ge=8, le=256, description="mel bands")
    minimum_hz: float = Field(50.0, ge=0, description="lower edge of the lowest band")
    maximum_hz: float = Field(7600.0, gt=0, description="upper edge of the highest band")
    power_floor: float = Field(1.0e-3, gt=0, le=1, description="added to the mel power before the logarithm (log_mel)")
    duration_s: float = Field(5.0, gt=0, le=600, description="length of a clip that is heard")
    segment_s: float | None = Field(None, gt=0, le=600, description="windows encoded one by one; null: all at once")
    short: Literal["repeat", "repeat_pad", "zero"] = Field(
        "repeat", description="a shorter clip is repeated; repeated whole times, the rest silent; or padded and masked"
    )
    mel_scale: Literal["slaney", "htk"] = Field(
        "slaney", description="mel filters (clap): Slaney's scale and norm, or HTK's scale without one (fused CLAPs)"
    )

    @model_validator(mode="before")
    @classmethod
    def _recipe(cls, values: Any) -> Any:
        """Fill in the kind's own numbers."""
        if not isinstance(values, dict):
            return values
        return {**RECIPES.get(values.get("kind", "log_mel"), {}), **values}

    @model_validator(mode="after")
    def _consistent(self) -> Features:
        if self.mel_scale != "slaney" and self.kind != "clap":
            raise ValueError(f"mel_scale {self.mel_scale} is for kind clap: kind {self.kind} has filters of its own")
        if self.maximum_hz > self.sample_rate_hz / 2:
            raise ValueError(f"maximum_hz {self.maximum_hz:g} is above half the sample rate {self.sample_rate_hz} Hz")
        if self.minimum_hz >= self.maximum_hz:
            raise ValueError(f"minimum_hz {self.minimum_hz:g} must lie below maximum_hz {self.maximum_hz:g}")
        if self.segment_s is not None:
            count = self.duration_s / self.segment_s
            if round(count) < 1 or abs(count - round(count)) > 1e-6:
                raise ValueError(f"duration_s {self.duration_s:g} must be whole segments of {self.segment_s:g} s")
        return self

    @property
    def segments(self) -> int:
        """Segments of a clip."""
        return 1 if self.segment_s is None else round(self.duration_s / self.segment_s)

    @property
    def segment_samples(self) -> int:
        """Samples of a segment."""
        return round(self.duration_s * self.sample_rate_hz / self.segments)

    @property
    def samples(self) -> int:
        """Samples of a clip that is heard."""
        return self.segments * self.segment_samples

    @property
    def prepared_rate_hz(self) -> int:
        """The rate clips must be prepared at."""
        return self.resample_from_hz or self.sample_rate_hz
