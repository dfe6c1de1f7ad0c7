"""The `curate` section: which pairs the teacher picks out of unpaired audio (arXiv 2305.01864)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clapline.params.base import Section

Strategy = Literal["du", "ds", "ads", "top_k"]


class Curate(Section):
    """Strategy and thresholds as published; everything under "guards" is ours, and off (null, none) in that form."""

    strategy: Strategy = Field(
        "du", description="domain-unspecific, domain-specific, audio-domain-specific, or the nearest captions of a clip"
    )
    sigma_audio_text: float = Field(0.75, ge=-1, le=1, description="cosine at which clip and caption make a pair")
    sigma_text_text: float = Field(0.7, ge=-1, le=1, description="cosine at which a caption counts as near a label")
    prompt: str = Field("this is a sound of {label}", pattern=r"\{label\}", description="sentence made of a label")
    nearest_captions: int = Field(5, ge=1, le=1000, description="captions of each clip under strategy top_k")

    # Guards.
    quantile_audio_text: float | None = Field(
        None, gt=0, lt=1, description="the threshold as a quantile of all scores, in place of sigma_audio_text"
    )
    calibration: Literal["none", "z_score", "csls"] = Field(
        "none", description="score of a pair: the cosine, or the cosine beside what clip and caption usually reach"
    )
    calibration_neighbours: int = Field(10, ge=1, le=1000, description="neighbours that csls takes the mean of")
    mutual_neighbours: int | None = Field(
        None, ge=1, le=1000, description="keep pairs that are among each other's so many nearest"
    )
    near_duplicate_cosine: float | None = Field(
        None, gt=0, lt=1, description="clips this near an earlier one are left out; null: none is"
    )
    maximum_captions_per_clip: int | None = Field(None, ge=1, description="best captions kept for each clip")
    maximum_clips_per_caption: int | None = Field(None, ge=1, description="best clips kept for each caption")

    search: Literal["exact", "faiss_flat", "faiss_ivf"] = Field(
        "exact", description="what proposes pairs; faiss_ivf misses some, and says how many"
    )
    ivf_probes: int = Field(16, ge=1, description="lists that faiss_ivf looks into for each clip")
    examples: int = Field(6, ge=0, le=30, description="curated pairs, and as many rejected ones, to listen to")

    @model_validator(mode="after")
    def _scores_have_a_threshold(self) -> Curate:
        thresholded = self.strategy in ("du", "ads")
        if self.calibration != "none" and thresholded and self.quantile_audio_text is None:
            raise ValueError(
                f"calibration: {self.calibration} makes scores that are no cosines, so sigma_audio_text does not fit "
                "them: set quantile_audio_text"
            )
        return self
