from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from clapline import Clap
from clapline.errors import UserError
from clapline.model.inputs import AudioInputs, States, valid_positions
from clapline.params.model import Model

TINY = {
    "features": {"duration_s": 0.5, "mel_bands": 16, "sample_rate_hz": 8000, "maximum_hz": 3500.0},
    "audio": {"channels": [4, 8], "pooling": "mean_max"},
    "text": {"width": 16, "layers": 1, "attention_heads": 2, "vocabulary": 100, "maximum_tokens": 12},
    "head": {"dimension": 8},
}
CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a dog barks while rain falls"]


@pytest.fixture
def clap() -> Clap:
    torch.manual_seed(0)
    return Clap.new(Model.model_validate(TINY), CAPTIONS).eval()


def waveforms(*seconds: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(0, 0.1, round(8000 * length)).astype(np.float32) for length in seconds]


def test_embeddings_are_unit_vectors(clap):
    for embeddings in (clap.encode_texts(CAPTIONS), clap.encode_waveforms(waveforms(0.2, 0.5, 3.0), 8000)):
        assert embeddings.shape == (3, 8)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_encoding_the_same_clip_twice_gives_the_same_embedding(clap):
    """Known trap 2: random crops at evaluation."""
    first, second = clap.encode_waveforms(waveforms(3.0), 8000), clap.encode_waveforms(waveforms(3.0), 8000)
    np.testing.assert_array_equal(first, second)


def test_a_wrong_sample_rate_is_refused(clap):
    """Known trap 14: a wrong sample rate accepted in silence."""
    with pytest.raises(UserError, match="8000 Hz, got 44100 Hz"):
        clap.encode_waveforms(waveforms(1.0), 44100)


def test_texts_in_any_order_and_repeated(clap):
    forwards = clap.encode_texts([*CAPTIONS, CAPTIONS[0]])
    backwards = clap.encode_texts(CAPTIONS[::-1])
    np.testing.assert_array_equal(forwards[:3], backwards[::-1])
    np.testing.assert_array_equal(forwards[0], forwards[3])
    assert clap.encode_texts([]).shape == (0, 8)


def test_padding_does_not_reach_a_caption(clap):
    np.testing.assert_allclose(
        clap.encode_texts(CAPTIONS[:1]), clap.encode_texts([CAPTIONS[0], "rain " * 11])[:1], atol=1e-6
    )


def test_the_empty_text_and_unknown_signs_have_an_embedding(clap):
    embeddings = clap.encode_texts(["", "火"])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_a_saved_model_comes_back_the_same(clap, tmp_path):
    clap.save(tmp_path / "model", "# card")
    again = Clap.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(again.encode_texts(CAPTIONS), clap.encode_texts(CAPTIONS))
    clips = waveforms(0.2, 0.7)
    np.testing.assert_array_equal(again.encode_waveforms(clips, 8000), clap.encode_waveforms(clips, 8000))
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "text",
        "README.md",
    }


def test_loading_what_is_no_model_is_one_clear_error(clap, tmp_path):
    with pytest.raises(UserError, match="no saved model"):
        Clap.from_pretrained(tmp_path)
    clap.save(tmp_path / "model", "")
    config = json.loads((tmp_path / "model/config.json").read_text())
    config["model"]["head"]["dimensoin"] = 3
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="did you mean 'dimension'"):
        Clap.from_pretrained(tmp_path / "model")


def test_the_logit_scale_comes_back_from_its_bound(clap):
    """A clamp on the way to the loss has no gradient above the bound: the scale would stay there whatever the loss."""
    optimiser = torch.optim.SGD([clap.log_scale], lr=0.01)
    with torch.no_grad():
        clap.log_scale.fill_(50.0)
    clap.bound_logit_scale()
    assert clap.logit_scale().item() == pytest.approx(100.0, rel=1e-5)
    for step, sign in enumerate([-1, -1, 1]):  # a loss that wants it larger, and then smaller
        (sign * clap.logit_scale() / 100).backward()
        optimiser.step()
        optimiser.zero_grad()
        assert (clap.logit_scale().item() > 100.5) == (sign < 0), step
        clap.bound_logit_scale()
        assert clap.logit_scale().item() <= 100.001
    assert clap.logit_scale().item() < 99.5


def test_within_its_bound_the_logit_scale_is_not_touched(clap):
    before = clap.log_scale.detach().clone()
    clap.bound_logit_scale()
    assert torch.equal(clap.log_scale, before)
    assert torch.equal(clap.logit_scale(), before.clamp(max=float(np.log(100.0))).exp())


def test_a_model_saved_above_its_bound_is_brought_back(clap, tmp_path):
    with torch.no_grad():
        clap.log_scale.fill_(50.0)
    clap.save(tmp_path / "model", "")
    assert Clap.from_pretrained(tmp_path / "model").logit_scale().item() == pytest.approx(100.0, rel=1e-5)


def test_no_waveforms_have_no_embeddings(clap):
    assert clap.encode_waveforms([], 8000).shape == (0, 8)


def test_many_waveforms_are_encoded_in_parts(clap, monkeypatch):
    clips = waveforms(0.2, 0.5, 3.0, 0.4, 0.1)
    expected = clap.encode_waveforms(clips, 8000)
    sizes = []
    clap.audio.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0])))
    monkeypatch.setattr("clapline.model.clap.ENCODE_BATCH", 2)
    np.testing.assert_allclose(clap.encode_waveforms(clips, 8000), expected, rtol=0, atol=1e-6)
    assert sizes == [2, 2, 1]


def test_what_is_no_mono_sound_is_refused(clap):
    """Known trap 3: two channels flattened into one clip of twice the length."""
    sound = waveforms(0.5)[0]
    for wrong, reason in (
        (np.stack([sound, sound]), r"the shape \(2, 4000\): mix down first"),
        (np.stack([sound, sound], axis=1), r"the shape \(4000, 2\): mix down first"),
        ((sound * 32767).astype(np.int16), r"got int16: scale to \[-1, 1\] first"),
        (np.where(np.arange(4000) == 9, np.nan, sound), "not a number"),
    ):
        with pytest.raises(UserError, match=reason):
            clap.encode_waveforms([sound, wrong], 8000)


def test_a_single_text_is_not_taken_for_its_letters(clap):
    with pytest.raises(UserError, match="must be a list of texts"):
        clap.encode_texts("a dog barks")


def changed(**sections) -> Clap:
    """Return an untrained model with keys of TINY's sections changed."""
    settings = {name: {**TINY.get(name, {}), **sections.get(name, {})} for name in {**TINY, **sections}}
    torch.manual_seed(0)
    return Clap.new(Model.model_validate(settings), CAPTIONS).eval()


def inputs(clap: Clap, *seconds: float, **more) -> AudioInputs:
    from clapline.model.front_ends.window import fit

    fitted = [fit(waveform, clap.settings.features) for waveform in waveforms(*seconds)]
    return AudioInputs(
        valid=torch.tensor([valid for _, valid in fitted], dtype=torch.float32),
        waveforms=torch.from_numpy(np.stack([samples for samples, _ in fitted])),
        **more,
    )


SEGMENTED = {"duration_s": 1.5, "segment_s": 0.5, "short": "zero"}


def test_segments_are_windows_of_the_clip_and_padding_is_masked():
    """Three windows of 0.5 s: a clip of 0.6 s has two with sound, of which the second is padding in part."""
    clap = changed(features=SEGMENTED, audio={"pooling": "mean"})
    with torch.no_grad():
        heard = clap.listen(inputs(clap, 1.5, 0.6, 0.5))
        positions = clap.audio.positions
        assert heard.states.shape == (3, 3 * positions, clap.audio.width)
        assert heard.mask[0].all()
        assert int(heard.mask[1].sum()) == int(np.ceil(0.4 * 3 * positions))
        assert int(heard.mask[2].sum()) == positions
        # Each window is what it would be as a clip of its own, whatever stands beside it.
        whole = inputs(clap, 1.5).waveforms[0]
        alone = clap.audio(clap.front_end(whole[None])[:, 1])
        torch.testing.assert_close(heard.states[0, positions : 2 * positions], alone[0], atol=1e-5, rtol=1e-4)


def test_windows_of_padding_alone_are_not_encoded():
    clap = changed(features=SEGMENTED, audio={"pooling": "mean"})
    seen = []
    clap.audio.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    with torch.no_grad():
        clap.listen(inputs(clap, 1.5, 0.3, 0.3))
    assert seen == [5]


def test_padding_reaches_no_embedding():
    """A clip of 0.5 s and the same clip with a second of silence said to be padding: one embedding."""
    clap = changed(features=SEGMENTED, audio={"pooling": "mean"})
    short = inputs(clap, 0.5)
    noisy = AudioInputs(valid=short.valid, waveforms=short.waveforms + 0)
    noisy.waveforms[:, 4000:] = 0.3
    with torch.no_grad():
        torch.testing.assert_close(clap.embed_audio(short).mean, clap.embed_audio(noisy).mean)


def test_text_aware_pooling_scores_captions_with_clips_but_gives_clips_no_embedding():
    clap = changed(audio={"pooling": "tap", "tap": {"dimension": 16}})
    heard = inputs(clap, 0.5, 0.3, 0.4, 0.5)
    with torch.no_grad():
        frames = clap.hear(heard)
        assert isinstance(frames, States)
        text = torch.from_numpy(clap.encode_texts(CAPTIONS))
        scores = clap.cosines(text, frames)
        assert scores.shape == (3, 4)
        assert (scores.abs() <= 1 + 1e-5).all()
        torch.testing.assert_close(clap.cosines(3 * text[:1], frames), scores[:1], atol=1e-4, rtol=1e-4)
    with pytest.raises(UserError, match="no embedding of its own"):
        clap.encode_waveforms(waveforms(0.5), 8000)


def test_cosines_are_those_of_embeddings(clap):
    with torch.no_grad():
        heard = clap.hear(inputs(clap, 0.5, 0.3))
        text = torch.from_numpy(clap.encode_texts(CAPTIONS))
        torch.testing.assert_close(clap.cosines(text, heard), text @ heard.mean.T)


def test_gaussian_heads_add_a_log_variance_and_keep_the_mean_a_unit_vector():
    clap = changed(head={"distribution": "gaussian", "initial_log_variance": -6.0})
    with torch.no_grad():
        heard = clap.embed_audio(inputs(clap, 0.5, 0.3))
    np.testing.assert_allclose(heard.mean.norm(dim=1), 1, atol=1e-5)
    assert heard.log_variance.shape == (2, 8)
    assert (heard.log_variance + 6.0).abs().mean() < 3


def test_tags_join_the_audio_and_a_clip_without_tags_is_its_audio_embedding():
    clap = changed(metadata={"use": "tags"})
    plain = inputs(clap, 0.5, 0.3)
    tags = clap.text.prepare(["dog, bark", ""])
    tagged = AudioInputs(plain.valid, waveforms=plain.waveforms, tags=tags, has_tags=torch.tensor([True, False]))
    with torch.no_grad():
        audio, fused = clap.embed_audio(plain).mean, clap.embed_audio(tagged).mean
    torch.testing.assert_close(fused[1], audio[1], rtol=0, atol=0)
    assert (fused[0] - audio[0]).abs().max() > 1e-3


def test_first_value_of_the_bias_is_learned_from():
    assert changed().logit_bias is None
    clap = changed(temperature={"initial": 0.1, "bias": -4.0})
    assert clap.logit_bias.item() == -4.0
    assert clap.logit_bias.requires_grad
    assert clap.logit_scale().item() == pytest.approx(10.0)


def test_mask_of_valid_positions():
    mask = valid_positions(torch.tensor([1.0, 0.5, 0.01, 1 / 3]), 6)
    assert mask.sum(dim=1).tolist() == [6, 3, 1, 2]
    assert mask[1].tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("pooling", ["mean", "tap"])
def test_scores_of_captions_and_waveforms(pooling):
    clap = changed(audio={"pooling": pooling, "tap": {"dimension": 16}})
    clips = waveforms(0.5, 0.3, 0.4, 0.5)
    scores = clap.scores(CAPTIONS, clips, 8000)
    assert scores.shape == (3, 4)
    assert (np.abs(scores) <= 1 + 1e-5).all()
    np.testing.assert_allclose(clap.scores(CAPTIONS[:1], clips[2:3], 8000), scores[:1, 2:3], atol=1e-5)
    assert clap.scores(CAPTIONS, [], 8000).shape == (3, 0)
    if pooling == "mean":
        np.testing.assert_allclose(
            scores, clap.encode_texts(CAPTIONS) @ clap.encode_waveforms(clips, 8000).T, atol=1e-6
        )
    with pytest.raises(UserError, match="8000 Hz, got 44100 Hz"):
        clap.scores(CAPTIONS, clips, 44100)
