"""The `roles` section: which clips of which dataset play which part."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clapline.params.base import Section

Scalar = str | int


class Where(Section):
    """Conditions on the clip table; a clip must meet all that are given."""

    split: list[str] | None = Field(None, min_length=1, description="values of the split column")
    fold: list[int] | None = Field(None, min_length=1, description="values of the fold column")
    label: list[str] | None = Field(None, min_length=1, description="values of the label column")


class Entry(Section):
    """The clips of one dataset that meet `where`, cut to a share of each class's recordings."""

    dataset: str = Field(min_length=1, description="a name of the datasets section")
    where: Where = Field(default_factory=Where)
    share: list[float] = Field(
        default_factory=lambda: [0.0, 1.0],
        min_length=2,
        max_length=2,
        description="from and to, in [0, 1]: the part of each class's recordings, in an order drawn from the seed; "
        "[0, 0.1] and [0.1, 1] are a tenth and its complement, and [0, 0.1] lies inside [0, 0.2]",
    )

    @model_validator(mode="after")
    def _share_in_order(self) -> Entry:
        if not 0.0 <= self.share[0] < self.share[1] <= 1.0:
            raise ValueError(f"share {self.share} must be [from, to] with 0 <= from < to <= 1")
        return self


class PairedEntry(Entry):
    """Clips with captions, for training or for choosing the best epoch."""

    use: Literal["train", "val"] = Field("train", description="train: learn from it; val: choose the best epoch")


class HierarchyEntry(Entry):
    """Clips with caption trees: their own, or trees built of captions, tags and labels with an ontology."""

    trees: Literal["own", "built"] = Field("own", description="own: the clips' own trees; built: of what clips have")
    ontology: str | None = Field(
        None, min_length=1, description="AudioSet's ontology.json, for trees: built; relative to the repository"
    )

    @model_validator(mode="after")
    def _ontology_where_trees_are_built(self) -> HierarchyEntry:
        if self.trees == "built" and self.ontology is None:
            raise ValueError("trees: built needs ontology: the path of AudioSet's ontology.json")
        if self.trees == "own" and self.ontology is not None:
            raise ValueError("ontology serves trees: built alone; leave it out, or write trees: built")
        return self


class Roles(Section):
    """The parts of a run; training parts first, evaluation parts last."""

    paired: list[PairedEntry] = Field(min_length=1, description="clips with captions (train and val)")
    paired_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of each dataset's recordings for training in `paired` that is kept, after everything else: "
        "evenly over classes, in an order drawn from the seed (0.1 lies inside 0.25); what is left out leaves `text` "
        "too; val, unpaired and benchmarks stay",
    )
    unpaired: list[Entry] = Field(
        default_factory=list, description="clips whose captions and labels training never sees; none: no curation"
    )
    text: list[Entry] = Field(min_length=1, description="captions among which curation chooses")
    labels: list[Entry] = Field(default_factory=list, description="label sets that DS and ADS aim at (text only)")
    retrieval: list[Entry] = Field(min_length=1, description="benchmarks: captions as queries, clips as gallery")
    zero_shot: list[Entry] = Field(default_factory=list, description="labelled clips to classify by prompts")
    hierarchy: list[HierarchyEntry] = Field(default_factory=list, description="clips with caption trees, for traversal")
    judgements: list[str] = Field(
        default_factory=list, description="datasets of relevance judgements on captions of `retrieval`"
    )


TRAINING_ROLES = ("paired", "unpaired", "text")
EVALUATION_ROLES = ("retrieval", "zero_shot", "hierarchy")
ROLES = (*TRAINING_ROLES, "labels", *EVALUATION_ROLES)
