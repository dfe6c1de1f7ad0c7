"""Two processes on the CPU against one that holds the whole batch: the same loss, the same gradients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clapline.params.machine import Machine
from clapline.processes import gather
from stages.train import distributed
from tests.stages.train.spread import CONFIGURATIONS, IN_BLOCKS, IN_PIECES

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    *CONFIGURATIONS,
    "accumulated",
    *(f"{name}, blocks" for name in IN_BLOCKS),
    *(f"{name}, pieces" for name in IN_PIECES),
]


def in_two(folder: Path, *module: str) -> list[str]:
    """Run a module in two processes, which get their rank and the folder; return what they printed."""
    started = [
        subprocess.Popen(
            [sys.executable, *module, str(rank), str(folder)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(error for _, error in said)
    return [out for out, _ in said]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread")
    in_two(folder, "-m", "tests.stages.train.spread")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_compute_the_loss_and_gradients_of_one(results, name):
    """Known trap 8: loss terms added up once per process."""
    alone = results[0]["alone"][name]
    for rank in range(2):
        spread = results[rank]["together"][name]
        assert spread["loss"] == pytest.approx(alone["loss"], abs=1e-6, rel=1e-6)
        assert spread["parts"] == pytest.approx(alone["parts"], abs=1e-6, rel=1e-6)
        for parameter, gradient in alone["gradients"].items():
            torch.testing.assert_close(
                spread["gradients"][parameter],
                gradient,
                # The prior's logits are several times the others': so is the rounding of their gradients.
                atol=1e-5 if name.startswith("prior") else 1e-6,
                rtol=1e-4,
                msg=lambda text, at=parameter: f"{at}: {text}",
            )
        for buffer, value in alone["buffers"].items():
            torch.testing.assert_close(spread["buffers"][buffer], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_trainable_parameter_gets_a_gradient(results, name):
    """Known trap 17: DDP waits for ever for a parameter that the loss does not use."""
    gradients = results[0]["alone"][name]["gradients"]
    assert [parameter for parameter, gradient in gradients.items() if gradient is None] == []
    moved = [parameter for parameter, gradient in gradients.items() if gradient.abs().max() > 0]
    scaled = [] if name.startswith("triplet") else ["log_scale"]
    assert {parameter.split(".")[0] for parameter in moved} >= {"audio", "text", "audio_head", "text_head", *scaled}
    pairwise = name.startswith(("sigmoid", "probabilistic", "prolap", "masked"))
    assert ("logit_bias" in gradients) == pairwise
    assert ("log_scale" in gradients) == bool(scaled)


WAIT = """
import sys
import torch
import torch.distributed as dist
from clapline.errors import UserError
from clapline.processes import gather
from stages.train.distributed import is_first, once, rank, world_size

dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}/meet", rank=int(sys.argv[1]), world_size=2)
made = []
assert once(lambda: (made.append(1), "first")[1]) == "first"
assert len(made) == (1 if is_first() else 0)
def fail(): raise UserError("no such thing")
for action, kind in ((fail, UserError), (lambda: 1 / 0, Exception)):
    try:
        once(action)
    except kind as error:
        if kind is UserError:
            assert str(error) == "no such thing"
    else:
        raise AssertionError("nothing was raised")
rows = torch.full((2, 3), float(rank()), requires_grad=True)
weights = torch.arange(12.0).view(4, 3) * (rank() + 1)
everything = gather(rows)
assert torch.equal(everything[:, 0].detach(), torch.tensor([0.0, 0.0, 1.0, 1.0]))
(everything * weights).sum().backward()
assert torch.equal(rows.grad, torch.arange(12.0).view(4, 3)[rank() * 2 : rank() * 2 + 2] * 3)
print("done")
dist.barrier()
dist.destroy_process_group()
"""


def test_what_the_first_process_does_for_all_and_the_gradient_of_a_gather(tmp_path):
    assert [out.strip() for out in in_two(tmp_path, "-c", WAIT)] == ["done", "done"]


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.join(Machine(device="cpu")) == torch.device("cpu")
    assert (distributed.rank(), distributed.world_size(), distributed.is_first()) == (0, 1, True)
    assert distributed.once(lambda: 7) == 7
    rows = torch.ones(2, 3)
    assert gather(rows) is rows
