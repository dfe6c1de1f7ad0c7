from __future__ import annotations

import pytest
import torch
from torch import nn

from clapline.errors import UserError
from clapline.model.audio.matching import match, renamed


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))


def state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {name: torch.randn_like(tensor.float()).to(tensor.dtype) for name, tensor in module().state_dict().items()}


def test_everything_matches():
    target, given = module(), state()
    report = match(target, given)
    assert report.loaded == len(given) == 9
    assert report.missing == report.unexpected == report.reshaped == report.ignored == []
    assert all(torch.equal(tensor, given[name]) for name, tensor in target.state_dict().items())
    assert str(report) == "9 tensors loaded"


def test_heads_are_ignored_and_strangers_reported():
    report = match(module(), {**state(), "head.weight": torch.ones(2), "other": torch.ones(2)}, ignore=["head."])
    assert report.ignored == ["head.weight"]
    assert report.unexpected == ["other"]
    assert "1 unexpected: other" in str(report)


def test_missing_is_refused_and_nothing_is_filled():
    target, given = module(), state()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    del given["2.bias"]
    with pytest.raises(UserError, match=r"file\.pt does not fit Sequential: missing 2\.bias"):
        match(target, given, source="file.pt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_missing_is_allowed_by_prefix_and_stays_as_it_was():
    target, given = module(), state()
    kept = target[2].bias.detach().clone()
    del given["2.bias"]
    report = match(target, given, allow_missing=["2."])
    assert report.missing == ["2.bias"]
    assert report.loaded == 8
    assert torch.equal(target[2].bias, kept)


def test_an_ignored_name_does_not_fill():
    with pytest.raises(UserError, match="missing 0"):
        match(module(), state(), ignore=["0."])


def test_another_size_is_refused_with_both_shapes():
    with pytest.raises(UserError, match=r"0\.weight: \(4, 5\) instead of \(4, 3\)"):
        match(module(), {**state(), "0.weight": torch.ones(4, 5)})


def test_a_transposed_tensor_of_as_many_numbers_is_refused():
    with pytest.raises(UserError, match=r"\(3, 4\) instead of \(4, 3\)"):
        match(module(), {**state(), "0.weight": torch.ones(3, 4)})


def test_axes_of_length_one_do_not_count():
    target, given = module(), state()
    report = match(target, {**given, "2.bias": given["2.bias"].reshape(1, 4, 1)})
    assert report.reshaped == ["2.bias"]
    assert torch.equal(target[2].bias, given["2.bias"])


def test_half_precision_is_taken_over_into_the_module_s_own():
    target = module()
    match(target, {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state().items()})
    assert target[0].weight.dtype == torch.float32
    assert target[0].weight.requires_grad


def test_prefix_is_cut_off():
    assert set(renamed({"net.a": torch.ones(1), "b": torch.ones(1)}, "net.")) == {"a"}
