"""What holds for the front end of every kind."""

from __future__ import annotations

import pytest
import torch

from clapline.errors import UserError
from clapline.model.front_ends import build_front_end
from clapline.params.features import Features

KINDS = ("log_mel", "clap", "passt", "atst", "ast")


def noise(clips: int, samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize(("duration_s", "segment_s", "segments"), [(0.6, None, 1), (0.6, 0.2, 3), (0.25, 0.125, 2)])
def test_shapes_are_what_it_says(kind, duration_s, segment_s, segments):
    front_end = build_front_end(Features(kind=kind, duration_s=duration_s, segment_s=segment_s))
    features = front_end(noise(2, front_end.samples))
    assert features.shape == (2, segments, front_end.bands, front_end.frames)
    assert front_end.segments == segments
    assert features.dtype == torch.float32
    assert features.isfinite().all()


def test_a_batch_may_be_empty(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=0.2))
    features = front_end(torch.zeros(0, front_end.samples), valid=torch.zeros(0))
    assert features.shape == (0, 1, front_end.bands, front_end.frames)


def test_published_lengths():
    frames = {kind: build_front_end(Features(kind=kind)).frames for kind in KINDS}
    assert frames == {"log_mel": 251, "clap": 1001, "passt": 1000, "atst": 1000, "ast": 1024}
    thirty = build_front_end(Features(kind="passt", duration_s=30.0, segment_s=10.0))
    assert (thirty.segments, thirty.frames, thirty.samples) == (3, 1000, 960000)


def test_segments_are_windows_side_by_side_each_alone(kind):
    whole = build_front_end(Features(kind=kind, duration_s=0.6, segment_s=0.2))
    part = build_front_end(Features(kind=kind, duration_s=0.2))
    waveforms = noise(2, whole.samples)
    features = whole(waveforms)
    for segment, piece in enumerate(waveforms.split(part.samples, dim=1)):
        assert torch.equal(features[:, segment], part(piece)[:, 0])


def test_not_one_bit_depends_on_batch_mates(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=6.0, segment_s=3.0))
    clips = noise(5, front_end.samples) * torch.tensor([1e-4, 1e-2, 1, 3, 9])[:, None]
    valid = torch.tensor([1.0, 0.1, 0.5, 0.75, 1.0])
    together = front_end(clips, valid=valid)
    for row in range(5):
        assert torch.equal(front_end(clips[row : row + 1], valid=valid[row : row + 1])[0], together[row])
    order = torch.tensor([3, 0, 4, 2, 1])
    assert torch.equal(front_end(clips[order], valid=valid[order]), together[order])


def test_it_holds_no_weights_and_autocast_changes_nothing(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=0.2))
    assert not front_end.state_dict()
    assert not list(front_end.parameters())
    waveforms = noise(2, front_end.samples)
    expected = front_end(waveforms)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(front_end(waveforms), expected)
    assert not front_end(waveforms.requires_grad_()).requires_grad


def test_frames_lie_in_memory_as_transformers_has_them(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=0.2))
    frames_first = front_end(noise(1, front_end.samples))[0, 0].T
    assert frames_first.is_contiguous()


def test_edges_of_the_filters_hold_for_one_call(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=0.2))
    waveforms = noise(1, front_end.samples)
    usual = front_end(waveforms)
    other = build_front_end(Features(kind=kind, duration_s=0.2, minimum_hz=100.0, maximum_hz=7000.0))
    torch.testing.assert_close(front_end(waveforms, edges_hz=(100.0, 7000.0)), other(waveforms), rtol=0, atol=0)
    assert not torch.allclose(other(waveforms), usual, atol=1e-2)
    assert torch.equal(front_end(waveforms), usual)


def test_frames_of_a_duration():
    front_end = build_front_end(Features(duration_s=1.0))
    assert front_end.frames_of(0.5) == 25
    assert front_end.frames_of(1e-6) == 1


def test_a_waveform_of_another_length_is_refused(kind):
    front_end = build_front_end(Features(kind=kind, duration_s=0.2))
    with pytest.raises(ValueError, match=r"samples where .* are heard"):
        front_end(noise(1, front_end.samples + 1))


def test_a_segment_shorter_than_a_window_is_refused(kind):
    with pytest.raises(UserError, match="too few for a window"):
        build_front_end(Features(kind=kind, duration_s=0.01))
