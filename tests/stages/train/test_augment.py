from __future__ import annotations

import numpy as np
import pytest
import torch

from clapline.errors import UserError
from clapline.model.front_ends import build_front_end
from clapline.model.inputs import AudioInputs
from clapline.params.features import Features
from clapline.params.training import Augmentation
from stages.train.augment import Drawing, augmented, ready

FEATURES = torch.arange(4 * 6 * 10, dtype=torch.float32).reshape(4, 1, 6, 10)
WHOLE = torch.ones(4)


def run(
    settings: dict, crop: int | None = None, seed: int = 0, features: torch.Tensor = FEATURES, m: int = 0
) -> torch.Tensor:
    made, _ = augmented(
        features, WHOLE[: len(features)], Augmentation.model_validate(settings), crop, -1.0, Drawing(seed, "student", m)
    )
    return made


EVERY = {"gain": 0.5, "frequency_shift_bands": 2, "frequency_mask_bands": 3, "time_mask_frames": 4}


def test_everything_off_changes_nothing():
    assert torch.equal(run({}), FEATURES)


def test_what_is_drawn_stays_what_it_was():
    """A crop, a shift of bands and a gain, as a run with one batch per step drew them before there were others."""
    features = torch.arange(3 * 6 * 10, dtype=torch.float32).reshape(3, 1, 6, 10)
    made = run({"gain": 0.5, "frequency_shift_bands": 2}, crop=7, seed=7, features=features, m=5)
    wanted = [[25.09295, 28.09295, 21.09295], [66.132797, 69.132797, 62.132797], [124.90699, 127.90699, 120.90699]]
    assert torch.allclose(made[:, 0, 0, ::3], torch.tensor(wanted), atol=1e-4)


def test_a_crop_wraps_round_the_end():
    cropped = run({}, crop=7)
    assert cropped.shape == (4, 1, 6, 7)
    for row in range(4):
        start = int(cropped[row, 0, 0, 0] - FEATURES[row, 0, 0, 0])
        assert torch.equal(cropped[row], FEATURES[row].roll(-start, dims=2)[:, :, :7])


def test_a_crop_keeps_out_of_the_padding():
    valid = torch.tensor([1.0, 0.8, 0.5, 0.1])
    seen = set()
    for m in range(30):
        made, shares = augmented(FEATURES, valid, Augmentation(), 5, -1.0, Drawing(0, "student", m))
        frames = made[:, 0, 0, :] - FEATURES[:, 0, 0, :1]
        assert (frames < torch.tensor([10, 8, 5, 5])[:, None]).all()
        assert torch.equal(frames[3], torch.arange(5.0))  # shorter than the crop: from its beginning
        assert torch.allclose(shares, torch.tensor([1.0, 1.0, 1.0, 0.2]))
        seen.add(int(frames[1, 0]))
    assert len(seen) > 3


def test_a_crop_of_a_padded_clip_begins_anywhere_alike():
    """A clip that fills 6 of 10 frames: a start drawn from 10 and wrapped would begin in its first half too often."""
    starts = []
    for m in range(400):
        made, _ = augmented(FEATURES, torch.full((4,), 0.6), Augmentation(), 5, -1.0, Drawing(0, "student", m))
        starts += (made[:, 0, 0, 0] - FEATURES[:, 0, 0, 0]).int().tolist()
    assert set(starts) == set(range(6))
    first_half = sum(start < 3 for start in starts) / len(starts)
    assert abs(first_half - 0.5) < 0.04  # 0.0125 is one standard deviation; wrapped it is 0.6


def test_masks_hide_at_most_their_width_and_move():
    hidden = [(run({"frequency_mask_bands": 2}, seed=seed) == -1.0)[:, 0] for seed in range(20)]
    widths = set()
    for mask in hidden:
        rows = mask.all(dim=2)
        assert torch.equal(rows, mask.any(dim=2))
        widths.update(rows.sum(dim=1).tolist())
    assert widths == {0, 1, 2}
    assert torch.stack([mask.all(dim=2) for mask in hidden]).any(dim=0).any(dim=0).all()  # any band, the last too
    assert any(not torch.equal(mask, hidden[0]) for mask in hidden)
    stretches = [(run({"time_mask_frames": 5}, seed=seed) == -1.0)[:, 0] for seed in range(30)]
    lengths = {length for mask in stretches for length in mask.all(dim=1).sum(dim=1).tolist()}
    assert lengths == set(range(6))
    edges = torch.stack([mask.all(dim=1) for mask in stretches]).any(dim=0).any(dim=0)
    assert edges.all()  # any frame may be hidden, the first and the last too


def test_masks_wider_than_the_clip_fit():
    made = run({"frequency_mask_bands": 128, "time_mask_frames": 1000})
    assert made.shape == FEATURES.shape


def test_each_segment_has_its_own_masks_and_each_clip_one_gain():
    features = torch.zeros(4, 3, 6, 10)
    masks = run({"time_mask_frames": 6}, features=features) == -1.0
    assert any(not torch.equal(clip[0], clip[1]) for clip in masks)
    gains = run({"gain": 0.5}, features=features)
    assert torch.equal(gains.amax(dim=(1, 2, 3)), gains.amin(dim=(1, 2, 3)))


def test_gain_shifts_each_clip_as_a_whole():
    change = run({"gain": 0.5}) - FEATURES
    assert change.abs().max() <= 0.5
    assert (change.amax(dim=(1, 2, 3)) - change.amin(dim=(1, 2, 3))).max() < 1e-4
    assert len({round(float(value), 4) for value in change[:, 0, 0, 0]}) == 4


def test_a_shift_along_the_mel_axis_repeats_the_edge():
    shifted = run({"frequency_shift_bands": 2}, seed=3)
    for row in range(4):
        offset = round(float(shifted[row, 0, 3, 0] - FEATURES[row, 0, 3, 0]) / 10)
        wanted = (torch.arange(6) + offset).clamp(0, 5)
        assert torch.equal(shifted[row, 0], FEATURES[row, 0][wanted])


@pytest.mark.parametrize("knob", [*({name: value} for name, value in EVERY.items()), EVERY])
def test_draws_come_from_the_seed_and_the_step_and_leave_torch_alone(knob: dict):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = run(knob)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(run(knob), first)
    assert not torch.equal(first, FEATURES)
    assert any(not torch.equal(run(knob, m=m), first) for m in (1, 2, 3))
    assert any(not torch.equal(run(knob, seed=seed), first) for seed in (1, 2, 3))


@pytest.mark.parametrize("crop", [None, 7])
def test_two_processes_change_their_clips_as_one_would(crop: int | None):
    settings = Augmentation.model_validate(EVERY)
    whole = run(EVERY, crop)
    halves = [
        augmented(FEATURES[first : first + 2], WHOLE[:2], settings, crop, -1.0, Drawing(0, "student", 0, first, 4))[0]
        for first in (0, 2)
    ]
    assert torch.equal(torch.cat(halves), whole)


SMALL = {"duration_s": 0.4, "sample_rate_hz": 8000, "maximum_hz": 3500.0, "mel_bands": 16}


def test_waveforms_become_features_and_a_batch_is_cut_to_its_longest():
    front_end = build_front_end(Features.model_validate({**SMALL, "duration_s": 4.0, "short": "zero"}))
    waveforms = torch.randn(2, front_end.samples, generator=torch.Generator().manual_seed(0))
    waveforms[:, front_end.samples // 2 :] = 0
    valid = torch.tensor([0.5, 0.25])
    plain = AudioInputs(valid=valid, waveforms=waveforms)
    whole = ready(plain, front_end, Augmentation(), None, 0.0, 0, "student", 0)
    assert torch.equal(whole.features, front_end(waveforms))
    assert whole.waveforms is None
    cut = ready(plain, front_end, Augmentation(), None, 0.0, 0, "student", 0, heard=0.5)
    assert cut.features.shape[-1] == 64  # 51 of 101 frames, and on to a multiple of 32
    assert torch.equal(cut.features, whole.features[..., :64])
    assert torch.allclose(cut.valid * 64, valid * 101)


def test_cached_features_are_taken_as_they_are_and_states_pass_through():
    front_end = build_front_end(Features.model_validate(SMALL))
    half = FEATURES.half()
    settings = Augmentation.model_validate(EVERY)
    made = ready(AudioInputs(valid=WHOLE, features=half), front_end, Augmentation(), None, 0.0, 0, "student", 0)
    assert torch.equal(made.features, half.float())
    states = torch.randn(4, 3, 5).half()
    made = ready(AudioInputs(valid=WHOLE, states=states), front_end, settings, None, 0.0, 0, "student", 0)
    assert torch.equal(made.states, states.float())
    assert made.features is None


def test_tags_stay_with_their_clips():
    tags = {"input_ids": torch.arange(4)[:, None]}
    audio = AudioInputs(valid=WHOLE, features=FEATURES, tags=tags, has_tags=torch.tensor([True, False, True, True]))
    made = ready(
        audio, build_front_end(Features.model_validate(SMALL)), Augmentation(gain=0.5), None, 0.0, 0, "student", 0
    )
    assert made.tags is tags
    assert made.has_tags is audio.has_tags


def test_mel_jitter_moves_the_edges_of_passt_alone():
    passt = {"kind": "passt", "duration_s": 0.3, "mel_bands": 32}
    front_end = build_front_end(Features.model_validate(passt))
    audio = AudioInputs(valid=WHOLE[:2], waveforms=torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 9600))))
    jitter = Augmentation(mel_jitter=True)
    plain = ready(audio, front_end, Augmentation(), None, 0.0, 0, "student", 0).features
    made = [ready(audio, front_end, jitter, None, 0.0, 0, "student", m).features for m in (0, 0, 1)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert not torch.equal(made[0], plain)
    assert (made[0] - plain).abs().mean() < 0.2 * plain.std()
    with pytest.raises(UserError, match="passt"):
        ready(
            AudioInputs(valid=WHOLE[:1], waveforms=torch.zeros(1, 3200)),
            build_front_end(Features.model_validate(SMALL)),
            jitter,
            None,
            0.0,
            0,
            "student",
            0,
        )


def test_segments_are_not_cropped():
    with pytest.raises(UserError, match="crop_s"):
        run({}, crop=5, features=torch.zeros(4, 3, 6, 10))
