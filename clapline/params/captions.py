"""The sections of the caption stages: `rewrite`, `paraphrase`, `synthesize`, `stress`, `mix`, `audit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from clapline.params.base import Section

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class LanguageModel(Section):
    """Which language model answers, and how it samples."""

    model: str = Field("builtin", min_length=1, description="`builtin` (in-process, rule-based) or a served model's id")
    temperature: float | None = Field(0.7, ge=0, le=2, description="sampling temperature; null: the server's own")
    top_p: float | None = Field(None, gt=0, le=1, description="nucleus sampling; null: the server's own")
    sampling_seed: int | None = Field(None, ge=0, description="seed for servers that sample by one; null: none is sent")
    maximum_tokens: int = Field(400, ge=16, le=32768, description="bound on one answer")
    structured: Literal["auto", "schema", "json", "off"] = Field(
        "auto",
        description="schema, json (JSON mode), off (words alone), auto: the best that the server knows",
    )
    attempts: int = Field(3, ge=1, le=10, description="askings before a caption is dropped and listed")

    def sampling(self) -> dict[str, object]:
        """Return what, beside the model and the words, decides an answer: a part of the key of every reply."""
        chosen = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.sampling_seed}
        sent = {name: value for name, value in chosen.items() if value is not None}
        return {**sent, "maximum_tokens": self.maximum_tokens, "structured": self.structured}


class _Measured(Section):
    model: str = Field(
        "all-MiniLM-L6-v2",
        min_length=1,
        description="sentence-transformers model; `lexical`, and what cannot be loaded: the built-in lexical measure",
    )


class Similarity(_Measured):
    """How the meaning of a paraphrase is compared with its caption, by level."""

    level_1: float | None = Field(None, ge=-1, le=1, description="least at level 1; null: what suits the model")
    level_2: float | None = Field(None, ge=-1, le=1, description="least at level 2")


class FreeSimilarity(_Measured):
    """How the meaning of a text of no level 1 (a new caption, a stressed query) is compared with its sources."""

    level_1: ClassVar[None] = None  # no such setting: what reads bounds by level finds the measure's own
    level_2: float | None = Field(None, ge=-1, le=1, description="least similarity; null: what suits the model")


def _check_languages(languages: Sequence[str], model: str) -> None:
    if languages and model == "builtin":
        raise ValueError("languages: the builtin model writes English only; name a served model")
    if "en" in languages:
        raise ValueError("languages: en is what the captions are written in; name others")


class Rewrite(LanguageModel):
    """Captions for clips that come with labels and raw descriptions only (after WavCaps)."""

    captions_per_clip: int = Field(3, ge=1, le=10, description="captions written for a clip that has none")
    use_descriptions: bool = Field(True, description="offer the uploader's description beside the label")
    minimum_duration_s: float = Field(0.0, ge=0, description="shorter training clips without captions are set aside")


class Paraphrase(LanguageModel):
    """Two-level paraphrases as further views of a caption (RobustCLAP)."""

    levels: list[Literal[1, 2]] = Field(
        default_factory=lambda: [1, 2], min_length=1, description="1: structure changes; 2: structure and words"
    )
    captions_per_clip: int = Field(5, ge=1, le=100, description="captions of each training clip to paraphrase")
    test_model: str = Field("builtin", min_length=1, description="the model that paraphrases the benchmarks' queries")
    similarity: Similarity = Field(default_factory=Similarity)


class Synthesize(LanguageModel):
    """New captions per clip from its captions and tags (thesis), and other texts to train on in their place."""

    captions_per_clip: int = Field(5, ge=0, le=10, description="new captions asked for each clip")
    back_translations: int = Field(0, ge=0, le=10, description="captions of each clip sent through another language")
    word_edits: int = Field(0, ge=0, le=10, description="captions of each clip with words dropped, swapped or replaced")
    languages: list[Language] = Field(
        default_factory=list, description="ISO 639 codes: one caption of each clip in each of them (served models only)"
    )
    similarity: FreeSimilarity = Field(default_factory=FreeSimilarity)

    @model_validator(mode="after")
    def _able(self) -> Synthesize:
        _check_languages(self.languages, self.model)
        return self


class Stress(LanguageModel):
    """Queries beyond paraphrases: how people really type."""

    kinds: list[Literal["jargon", "slang", "keywords", "typos"]] = Field(
        default_factory=lambda: ["jargon", "slang", "keywords", "typos"], description="what each query is turned into"
    )
    languages: list[Language] = Field(
        default_factory=list, description="ISO 639 codes: the queries in these languages (served models only)"
    )
    queries_per_dataset: int | None = Field(
        None, ge=1, description="queries of each benchmark, drawn by a hash; null: all"
    )
    similarity: FreeSimilarity = Field(default_factory=FreeSimilarity)

    @model_validator(mode="after")
    def _able(self) -> Stress:
        _check_languages(self.languages, self.model)
        return self


class Mix(LanguageModel):
    """New training clips from two others, with edits, and the caption that tells it (after AudioSetMix)."""

    clips: int = Field(0, ge=0, le=10_000_000, description="mixtures to make; 0: none")
    relations: list[Literal["concatenate", "mix"]] = Field(
        default_factory=lambda: ["concatenate", "mix"], min_length=1, description="how the two are joined"
    )
    edit_share: float = Field(0.5, ge=0, le=1, description="share of the clips in a mixture that are edited")
    edits: list[Literal["volume", "pitch", "speed"]] = Field(
        default_factory=lambda: ["volume", "pitch", "speed"], description="edits to draw from, one for each edited clip"
    )
    volume_db: float = Field(12.0, gt=0, le=40, description="largest change of level")
    pitch_semitones: float = Field(4.0, gt=0, le=12, description="largest change of pitch")
    speed_ratio: float = Field(1.5, gt=1, le=3, description="largest change of speed, as a factor")
    maximum_duration_s: float = Field(10.0, gt=0, le=600, description="longer mixtures are cut")


class Price(Section):
    """What a model's tokens cost."""

    input: float = Field(ge=0, description="USD per million prompt tokens")
    output: float = Field(ge=0, description="USD per million answered tokens")


class Audit(Section):
    """The chapter on what was written, and what it cost."""

    prices: dict[str, Price] = Field(default_factory=dict, description="by model id; a model that is not here: unknown")
    examples: int = Field(12, ge=0, le=100, description="captions shown side by side, by purpose")
