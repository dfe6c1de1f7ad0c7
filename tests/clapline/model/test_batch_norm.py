from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from clapline.model.batch_norm import GatheredBatchNorm, gather_statistics

# Two processes: six clips against two and four of them, twice; outputs, gradients and running statistics.
TWO = """
import sys
import torch
import torch.distributed as dist
from torch import nn
from clapline.model.batch_norm import gather_statistics

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
assert dist.get_world_size() == 2
for name, momentum, affine in (("usual", 0.1, True), ("mean", None, False)):
    random = torch.Generator().manual_seed(0)
    clips = torch.randn(6, 3, 4, 5, generator=random) * 3 + 7
    wanted = torch.randn(6, 3, 4, 5, generator=random)
    plain = nn.BatchNorm2d(3, momentum=momentum, affine=affine)
    spread = nn.BatchNorm2d(3, momentum=momentum, affine=affine)
    if affine:
        for norm in (plain, spread):
            torch.nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
            torch.nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(2))
    spread = gather_statistics(nn.Sequential(spread))
    mine = slice(0, 2) if rank == 0 else slice(2, 6)
    for _ in range(2):
        clips = clips * 1.5 + 1
        whole, part = clips.clone().requires_grad_(), clips[mine].clone().requires_grad_()
        expected, found = plain(whole), spread(part)
        torch.testing.assert_close(found, expected[mine], rtol=1e-5, atol=1e-5)
        (expected * wanted).square().sum().backward()
        # The part of the loss that these clips have: the sums over processes are those of the whole.
        (found * wanted[mine]).square().sum().backward()
        torch.testing.assert_close(part.grad, whole.grad[mine], rtol=1e-4, atol=1e-4)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(spread.state_dict()["0." + key], value, rtol=1e-5, atol=1e-5)
    for key, parameter in plain.named_parameters():
        gradient = getattr(spread[0], key).grad.clone()
        dist.all_reduce(gradient)
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-4)
    spread.eval()
    assert torch.equal(spread(clips), nn.functional.batch_norm(
        clips, spread[0].running_mean, spread[0].running_var, spread[0].weight, spread[0].bias))
    half = spread.train()(clips[mine].bfloat16())
    assert half.dtype == torch.bfloat16
dist.barrier()
print("equal", flush=True)
"""


def test_two_processes_norm_as_one_does(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.strip() == "equal"


def blocks() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Sequential(nn.BatchNorm2d(4)))


def test_one_process_is_torchs_own_bit_for_bit():
    plain, gathered = blocks(), gather_statistics(blocks())
    assert sum(isinstance(module, GatheredBatchNorm) for module in gathered.modules()) == 2
    clips = torch.randn(5, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    for mode in (True, True, False):
        plain.train(mode)
        gathered.train(mode)
        assert torch.equal(plain(clips), gathered(clips))
    for expected, found in zip(plain.state_dict().items(), gathered.state_dict().items(), strict=True):
        assert expected[0] == found[0]
        assert torch.equal(expected[1], found[1])


def test_weights_go_either_way_and_an_optimiser_keeps_its_parameters():
    model = blocks()
    held = list(model.parameters())
    gathered = gather_statistics(model)
    assert gathered is model
    assert all(before is after for before, after in zip(held, gathered.parameters(), strict=True))
    blocks().load_state_dict(gathered.state_dict())
    gathered.load_state_dict(blocks().state_dict())


def test_a_batch_norm_alone_is_replaced_and_the_mode_stays():
    norm = nn.BatchNorm1d(3).eval()
    gathered = gather_statistics(norm)
    assert isinstance(gathered, GatheredBatchNorm)
    assert not gathered.training
    assert torch.equal(gathered(torch.ones(2, 3)), norm(torch.ones(2, 3)))


def test_what_computes_something_of_its_own_is_left_alone():
    class Other(nn.BatchNorm2d):
        pass

    model = nn.Sequential(Other(2), nn.LayerNorm(2))
    assert [type(module) for module in gather_statistics(model)] == [Other, nn.LayerNorm]


def test_a_single_axis_is_refused():
    with pytest.raises(ValueError, match="batch, channels"):
        gather_statistics(nn.BatchNorm1d(3))(torch.ones(3))
