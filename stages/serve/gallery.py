"""What is searched: a table of clips, the texts that go with it, and the embeddings of both, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from clapline.errors import UserError
from clapline.loaded_code import source_key
from clapline.metrics.sanity import check_embeddings
from clapline.metrics.scores import Side
from clapline.model.clap import Clap
from clapline.model.encode import gallery_of_clips
from clapline.model.gallery import FrameGallery, VectorGallery
from clapline.model.lookup import find_model
from clapline.params.machine import Machine
from clapline.storage import atomic_path, content_key, file_sha256, store
from clapline.tables.clips import CLIPS
from clapline.text.prompts import clean_label, fill_prompt

GALLERIES = {
    "retrieval": "data/captioned/retrieval.parquet",
    "zero_shot": "data/roles/zero_shot.parquet",
    "hierarchy": "data/roles/hierarchy.parquet",
    "unpaired": "data/roles/unpaired.parquet",
}
PROMPT = "this is a sound of {label}"  # what is read of a clip that has a class and no caption

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Gallery:
    """Clips with audio, one row each; a clip's number is its row."""

    name: str
    clips: pd.DataFrame

    def __len__(self) -> int:
        return len(self.clips)

    @cached_property
    def rows_by_text(self) -> dict[str, list[int]]:
        """The rows of the clips that each text belongs to, texts in the order of their first clip."""
        found: dict[str, list[int]] = {}
        for row, clip in enumerate(self.clips.itertuples(index=False)):
            for text in dict.fromkeys(texts_of(clip.captions, clip.label)):
                found.setdefault(text, []).append(row)
        return found

    @cached_property
    def texts(self) -> list[str]:
        """Every caption once; of clips without captions the class as a sentence."""
        return list(self.rows_by_text)

    @property
    def kind_of_texts(self) -> str:
        """What the texts are, in a word or two."""
        return "captions" if any(map(len, self.clips["captions"])) else "class names"


def texts_of(captions: Sequence[str], label: object) -> list[str]:
    """Return a clip's captions, or where it has none its class as a sentence, or nothing."""
    written = [caption for caption in captions if caption.strip()]
    if written or not isinstance(label, str) or not clean_label(label):
        return written
    return [fill_prompt(PROMPT, label)]


def read_gallery(name: str) -> Gallery:
    """Return the clips of a role (see `GALLERIES`), or of a clip table by its path.

    Raises:
        UserError: no such role, table or file, or no clip in it has audio.
    """
    if name not in GALLERIES and not name.endswith(".parquet"):
        raise UserError(f"--gallery {name!r}; allowed: {', '.join(GALLERIES)}, or the path of a clip table (.parquet)")
    clips = CLIPS.read(GALLERIES.get(name, name))
    with_audio = clips[clips["shard"] != ""].reset_index(drop=True)
    if with_audio.empty:
        raise UserError(f"{GALLERIES.get(name, name)}: no clip with audio to search in")
    return Gallery(name, with_audio)


@dataclass(frozen=True)
class Embedded:
    """A gallery's clips and texts, as a model hears and reads them."""

    clips: Side
    texts: Side


def side(vectors: VectorGallery | FrameGallery | np.ndarray, log_variance: np.ndarray | None) -> Side:
    """Return one side of a comparison, with the total variances of Gaussians."""
    return Side(vectors, None if log_variance is None else np.exp(log_variance.astype(np.float64)).sum(axis=1))


def embed_gallery(clap: Clap, model: str, gallery: Gallery, machine: Machine) -> Embedded:
    """Return the gallery's embeddings, from the store where the same model has embedded the same clips before.

    Args:
        clap: the model.
        model: its folder or hub id, whose files are part of the key.
        gallery: the clips.
        machine: whether a progress bar is shown.
    """
    file = store("search") / f"{gallery_key(model, gallery)}.safetensors"
    tensors = _kept(file)
    if tensors is None:
        print(f"search: encoding {len(gallery)} clips and {len(gallery.texts)} texts, once; kept in {file}")
        tensors = _encode(clap, gallery, machine)
        with atomic_path(file) as temporary:
            save_file(tensors, temporary)
    return _embedded(clap, tensors)


def gallery_key(model: str, gallery: Gallery) -> str:
    """Return the name of a gallery's embeddings: model files, code, what each clip sounds like, the texts."""
    folder = find_model(model)
    files = {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "README.md"
    }
    clips = gallery.clips
    heard = list(zip(clips["dataset"], clips["clip_id"], clips["sha256"], map(list, clips["tags"]), strict=True))
    return content_key("search", files, source_key("clapline.model", __name__), heard, gallery.texts)


def _kept(file: Path) -> Tensors | None:
    try:
        return load_file(file)
    except (FileNotFoundError, SafetensorError):  # nothing there, or not whole
        return None


def _encode(clap: Clap, gallery: Gallery, machine: Machine) -> Tensors:
    clips = gallery_of_clips(clap, gallery.clips, machine, "encode clips")
    clips.check("the gallery", len(gallery))
    texts, text_widths = clap.encode_text_gaussians(gallery.texts)
    if gallery.texts:
        check_embeddings("the gallery's texts", texts, len(texts))
    if isinstance(clips, FrameGallery):
        found = {"frames": clips.frames[clips.rows], "mask": clips.mask[clips.rows]}
    else:
        found = {"clips": clips.vectors, "clip_widths": clips.log_variance}
    found |= {"texts": texts, "text_widths": text_widths}
    return {name: torch.as_tensor(value).contiguous() for name, value in found.items() if value is not None}


def _embedded(clap: Clap, tensors: Tensors) -> Embedded:
    arrays = {name: value.numpy() for name, value in tensors.items() if name not in ("frames", "mask")}
    texts = side(arrays["texts"], arrays.get("text_widths"))
    if "frames" in tensors:
        frames = FrameGallery(tensors["frames"], tensors["mask"], clap.pooling, clap.device)
        return Embedded(Side(frames), Side(texts.items))
    widths = arrays.get("clip_widths")
    return Embedded(side(VectorGallery(arrays["clips"], widths), widths), texts)
