"""The `topics` section: what the captions are about (BERTopic)."""

from __future__ import annotations

from pydantic import Field

from clapline.params.base import Section


class Topics(Section):
    """Topic model of the captions (BERTopic)."""

    embedding: str = Field("tfidf", min_length=1, description="`tfidf` (TF-IDF and SVD) or a sentence encoder's id")
    maximum_captions: int | None = Field(
        3000, ge=50, description="captions modelled, drawn evenly over the sources; null: all"
    )
    minimum_topic_size: int = Field(20, ge=2, description="smallest cluster (HDBSCAN)")
    neighbours: int = Field(15, ge=2, le=200, description="UMAP neighbours")
    shown_topics: int = Field(25, ge=1, le=100, description="topics on the map")
