"""Losses in blocks: value and gradients of the whole matrix, at any block, and never the matrix itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from clapline.objectives import blocked, contrastive
from clapline.objectives import targets as targets_module
from clapline.objectives.blocked import Pairs, log_sums, softplus_sum
from clapline.objectives.contrastive import softmax_contrast
from clapline.objectives.ignored import Ignored
from clapline.objectives.positives import PositivePairs
from clapline.objectives.scores import Scores
from clapline.objectives.sigmoid import sigmoid_contrast
from clapline.objectives.soft_targets import (
    PairProbabilities,
    meaning_probabilities,
    meaning_targets,
    teacher_targets,
)
from clapline.objectives.targets import HardTargets

SIZE, WIDTH = 17, 6
TILES = [(1, 6), (3, 4), (SIZE, SIZE), (7, 1000), (1000, 1)]


def unit(rows: int, width: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=-1).to(dtype)


def several_positives(size: int = SIZE) -> PositivePairs:
    # One, two or four captions of a clip: shares that fp32 holds exactly.
    clips = torch.arange(size).repeat_interleave(torch.tensor([1, 2, 4]).repeat(size)[:size])[:size]
    return PositivePairs.from_matrix(clips[:, None] == clips)


TARGETS = {
    "identity": lambda: (HardTargets(PositivePairs.identity(SIZE)),) * 2,
    "positives": lambda: (HardTargets(several_positives()),) * 2,
    "raw": lambda: soft("raw"),
    "normalised": lambda: soft("normalised"),
    "softmax": lambda: soft("softmax"),
    "logistic": lambda: (meaning_targets(several_positives(), unit(SIZE, 4, 7), 0.6),) * 2,
    "listwise": lambda: (meaning_targets(several_positives(), unit(SIZE, 4, 7), 1.0, "listwise"),) * 2,
    "mixed": lambda: (HardTargets(several_positives()), soft("raw")[1]),
}
PROBABILITIES = {
    "identity": lambda: PairProbabilities(PositivePairs.identity(SIZE)),
    "positives": lambda: PairProbabilities(several_positives()),
    "teacher": lambda: PairProbabilities(several_positives(), 0.4, (unit(SIZE, 4, 5), unit(SIZE, 4, 6))),
    "meaning": lambda: meaning_probabilities(several_positives(), unit(SIZE, 4, 7), 0.6),
}


def soft(rows: str):
    return tuple(teacher_targets(several_positives(), unit(SIZE, 4, seed), 0.3, rows) for seed in (5, 6))


def some_ignored(size: int = SIZE) -> Ignored:
    found = Ignored(several_positives(size), unit(size, 3, 8), 0.5)
    assert found.rows(0, size).any()
    return found


def whole_softmax(rows: Tensor, columns: Tensor, scale, targets, ignored=None) -> Tensor:
    """The formula in float64, written out."""
    logits = scale * rows @ columns.T
    ours, theirs = targets[0].rows(0, len(logits)).double(), targets[1].rows(0, len(logits)).double().T
    if ignored is not None:
        left_out = ignored.rows(0, len(logits))
        logits = logits.masked_fill(left_out, -1e30)
        ours, theirs = ours.masked_fill(left_out, 0), theirs.masked_fill(left_out, 0)
    return -(ours * logits.log_softmax(1) + theirs * logits.log_softmax(0)).sum() / (2 * len(logits))


def whole_sigmoid(rows: Tensor, columns: Tensor, scale, bias, targets, ignored=None) -> Tensor:
    logits = scale * rows @ columns.T + bias
    losses = functional.softplus(logits, threshold=1e3) - targets.rows(0, len(logits)).double() * logits
    return (losses if ignored is None else losses.masked_fill(ignored.rows(0, len(logits)), 0)).sum() / len(logits)


def leaves(*values: Tensor, dtype: torch.dtype | None = None) -> list[Tensor]:
    return [value.detach().to(dtype or value.dtype, copy=True).requires_grad_() for value in values]


def slopes(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [loss.detach(), *torch.autograd.grad(loss, inputs)]


def same(found: list[Tensor], expected: list[Tensor], within: float) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        # Of the largest entry: single entries of a gradient are differences of numbers of that size.
        atol = within * max(1e-30, theirs.abs().max().item())
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=0, atol=atol)


@pytest.fixture(params=TILES, ids=str)
def _tiles(request, monkeypatch):
    monkeypatch.setattr(blocked, "TILE", request.param)


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_softmax_equals_the_whole_matrix(name, ignore):
    targets, ignored = TARGETS[name](), some_ignored() if ignore else None
    for dtype, within in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        values = [unit(SIZE, WIDTH, 0, dtype), unit(SIZE, WIDTH, 1, dtype), torch.tensor(20.0, dtype=dtype)]
        rows, columns, scale = ours = leaves(*values)
        loss = softmax_contrast(Scores(rows=rows, columns=columns), scale, *targets, ignored)
        assert loss.dtype == dtype
        theirs = leaves(*values, dtype=torch.float64)
        same(slopes(loss, ours), slopes(whole_softmax(*theirs, targets, ignored), theirs), within)


@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_sigmoid_equals_the_whole_matrix(name, ignore):
    targets, ignored = PROBABILITIES[name](), some_ignored() if ignore else None
    for dtype, within in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        values = [unit(SIZE, WIDTH, 0, dtype), unit(SIZE, WIDTH, 1, dtype)]
        values += [torch.tensor(value, dtype=dtype) for value in (12.0, -3.0)]
        rows, columns, scale, bias = ours = leaves(*values)
        loss = sigmoid_contrast(Scores(rows=rows, columns=columns), scale, bias, targets, ignored)
        assert loss.dtype == dtype
        theirs = leaves(*values, dtype=torch.float64)
        same(slopes(loss, ours), slopes(whole_sigmoid(*theirs, targets, ignored), theirs), within)


@pytest.mark.parametrize("kind", ["orthogonal", "identical", "equal captions", "all equal", "opposite", "one pair"])
def test_a_scale_of_100_loses_no_digits(kind):
    """Perfect, hopeless and collapsed embeddings: losses from 1e-43 to 100."""
    size = 1 if kind == "one pair" else 64
    rows = unit(size, 64, 0)
    if kind == "orthogonal":
        rows = torch.eye(64, dtype=torch.float64)
    rows = rows[:1].expand(size, 64) if kind == "all equal" else rows
    columns = rows[:1].expand(size, 64) if kind == "equal captions" else rows
    columns = -rows if kind == "opposite" else columns
    hard = (HardTargets(PositivePairs.identity(size)),) * 2
    pairs = PairProbabilities(PositivePairs.identity(size))
    values = [value.float().contiguous() for value in (rows, columns)] + [torch.tensor(100.0)]
    theirs = leaves(*values, dtype=torch.float64)
    ours = leaves(*values)
    found = slopes(softmax_contrast(Scores(rows=ours[0], columns=ours[1]), ours[2], *hard), ours)
    expected = slopes(whole_softmax(*theirs, hard), theirs)
    assert all(value.isfinite().all() for value in found)
    # A logit of 100 has an error of some 1e-5 in fp32, and its exponential that share of itself.
    assert found[0].item() == pytest.approx(expected[0].item(), rel=5e-5, abs=1e-7)
    for mine, exact in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=5e-5 * exact.abs().max().item() + 3e-5)
    bias = torch.tensor(-10.0)
    ours, theirs = leaves(*values, bias), leaves(*values, bias, dtype=torch.float64)
    found = slopes(sigmoid_contrast(Scores(rows=ours[0], columns=ours[1]), *ours[2:], pairs), ours)
    same(found, slopes(whole_sigmoid(*theirs, pairs), theirs), 5e-5)


def test_logits_far_apart_within_a_tile():
    """Rows and columns whose highest logits differ by 10,000: none is lost, none is infinite."""
    rows = (unit(9, 4, 0) * torch.logspace(-4, 2, 9, dtype=torch.float64)[:, None]).requires_grad_()
    columns = (unit(9, 4, 1) * torch.logspace(2, -4, 9, dtype=torch.float64)[:, None]).requires_grad_()
    hard = (HardTargets(PositivePairs.identity(9)),) * 2
    found = slopes(softmax_contrast(Scores(rows=rows, columns=columns), 100.0, *hard), [rows, columns])
    same(found, slopes(whole_softmax(rows, columns, 100.0, hard), [rows, columns]), 1e-10)
    single = leaves(rows, columns, dtype=torch.float32)
    found = slopes(softmax_contrast(Scores(rows=single[0], columns=single[1]), 100.0, *hard), single)
    same(found, slopes(whole_softmax(rows, columns, 100.0, hard), [rows, columns]), 1e-5)


@pytest.mark.parametrize("wanted", [(True, True, True, True), (True, False, False, False), (False, True, False, True)])
def test_gradcheck_of_fewer_rows_than_columns(wanted, monkeypatch):
    monkeypatch.setattr(blocked, "TILE", (2, 3))
    rows, columns = unit(3, 4, 0), unit(7, 4, 1)
    given = [rows, columns, torch.tensor(3.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)]
    given = [value.requires_grad_(wants) for value, wants in zip(given, wanted, strict=True)]
    random = torch.Generator().manual_seed(0)
    weights = torch.rand(7, 7, dtype=torch.float64, generator=random)
    left_out = torch.rand(7, 7, generator=random) < 0.3
    left_out[3] = False  # a column that is left out as a whole has a sum of nothing, and no gradient to check
    left_out.fill_diagonal_(False)
    for pairs in (
        Pairs(),
        Pairs(
            places=lambda start, stop: (torch.arange(start, stop), torch.arange(start, stop), weights[0, start:stop])
        ),
        Pairs(weights=lambda start, stop: weights[start:stop], ignored=lambda start, stop: left_out[start:stop]),
        Pairs(positive_places, lambda start, stop: weights[start:stop]),
    ):
        # All three results at once, and each alone.
        assert torch.autograd.gradcheck(lambda a, t, s, _, p=pairs: log_sums(a, t, s, p, 2), given)
        assert torch.autograd.gradcheck(lambda a, t, s, b, p=pairs: softplus_sum(a, t, s, b, p, 2), given)


def test_the_backward_pass_computes_its_products_as_the_forward_pass_did():
    """In TF32, say, logits would not be those whose sums were taken."""
    seen = []

    def places(start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        seen.append(torch.get_float32_matmul_precision())
        return torch.arange(start, stop), torch.arange(start, stop), torch.ones(stop - start)

    rows, columns = leaves(unit(4, 3, 0), unit(4, 3, 1))
    row_logs, _, _ = log_sums(rows, columns, 9.0, Pairs(places))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        row_logs.sum().backward()
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == [before, before]


def test_without_gradients_none_are_made():
    rows, columns = leaves(unit(5, 4, 0), unit(5, 4, 1))
    with torch.no_grad():
        for loss in losses(rows, columns):
            assert loss.grad_fn is None
            assert loss.isfinite()
    for loss in losses(rows, columns):
        first = torch.autograd.grad(loss, [rows, columns], retain_graph=True)
        same(list(torch.autograd.grad(loss, [rows, columns])), list(first), 0)


def losses(rows: Tensor, columns: Tensor) -> list[Tensor]:
    positives, scores = PositivePairs.identity(len(columns)), Scores(rows=rows, columns=columns)
    hard = HardTargets(positives)
    return [
        softmax_contrast(scores, 9.0, hard, hard),
        sigmoid_contrast(scores, 9.0, -2.0, PairProbabilities(positives)),
    ]


@pytest.mark.parametrize("ignore", [False, True])
def test_parts_of_the_rows_add_up(ignore, monkeypatch):
    """What several processes compute, joined by hand."""
    monkeypatch.setattr(blocked, "TILE", (4, 5))
    targets, probabilities = soft("raw"), PROBABILITIES["teacher"]()
    ignored = some_ignored() if ignore else None
    left_out = None if ignored is None else ignored.rows
    pairs = Pairs(positive_places, targets[0].rows, left_out)
    values = [unit(SIZE, WIDTH, 0), unit(SIZE, WIDTH, 1), torch.tensor(20.0), torch.tensor(-3.0)]
    whole, parted = leaves(*values, dtype=torch.float64), leaves(*values, dtype=torch.float64)
    cuts = list(zip([0, 1, 9], [1, 9, SIZE], strict=True))
    parts = [log_sums(parted[0][a:b], parted[1], parted[2], pairs, a) for a, b in cuts]
    logs = log_sums(*whole[:3], pairs)
    found = [torch.cat([part[0] for part in parts]), torch.stack([part[1] for part in parts]).logsumexp(0)]
    same([*found, sum(part[2] for part in parts)], list(logs), 1e-12)
    seeds = [torch.arange(SIZE) / SIZE, torch.arange(SIZE) / 7, torch.tensor(-1.0)]
    joined = [(one * seed).sum() for one, seed in zip([*found, sum(part[2] for part in parts)], seeds, strict=True)]
    expected = [(one * seed).sum() for one, seed in zip(logs, seeds, strict=True)]
    same(slopes(sum(joined), parted[:3]), slopes(sum(expected), whole[:3]), 1e-12)
    pairs = Pairs(weights=probabilities.rows, ignored=left_out)
    joined = sum(softplus_sum(parted[0][a:b], *parted[1:], pairs, a) for a, b in cuts) / SIZE
    same(slopes(joined, parted), slopes(whole_sigmoid(*whole, probabilities, ignored), whole), 1e-10)


def positive_places(start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = several_positives().within(start, stop)
    return rows, columns, 1.0 + rows + columns


def test_a_column_of_which_a_process_holds_no_pair_that_counts():
    rows, columns = leaves(unit(4, 3, 0), unit(4, 3, 1))
    everything = Pairs(ignored=lambda start, stop: torch.arange(4).expand(stop - start, 4) == 2)
    parts = [log_sums(rows[:2], columns, 9.0, everything), log_sums(rows[2:], columns, 9.0, Pairs(), 2)]
    joined = torch.stack([part[1] for part in parts]).logsumexp(0)
    kept = (9.0 * rows @ columns.T).masked_fill(torch.arange(4)[:, None].lt(2) & torch.arange(4).eq(2), -1e30)
    same(slopes(joined.sum(), [rows, columns]), slopes(kept.logsumexp(0).sum(), [rows, columns]), 1e-12)


class Largest(TorchDispatchMode):
    """The most elements that a tensor had which was made meanwhile."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for value in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(value, Tensor):
                self.numbers = max(self.numbers, value.untyped_storage().nbytes() // value.element_size())
        return made


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_no_tensor_grows_with_the_square(kind, monkeypatch):
    size, width, block = 4096, 16, 2**19
    for module in (blocked, contrastive, targets_module):
        monkeypatch.setattr(module, "BLOCK", block)
    positives = PositivePairs.identity(size)
    teacher, ignored = unit(size, width, 5, torch.float32), Ignored(positives, unit(size, width, 6, torch.float32), 0.9)
    targets, probabilities = HardTargets(positives), PairProbabilities(positives)
    if kind == "soft":
        targets = meaning_targets(positives, teacher, 0.5)
        probabilities, ignored = PairProbabilities(positives, 0.5, (teacher,)), None
    rows, columns = leaves(unit(size, width, 0, torch.float32), unit(size, width, 1, torch.float32))
    scores = Scores(rows=rows, columns=columns)
    kept: list[int] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value.numel())
        return value

    # The whole matrix is 21 times that.
    most = max(blocked.TILE[0] * blocked.TILE[1], block, size * (width + 1))
    for lost in (
        lambda: softmax_contrast(scores, 20.0, targets, targets, ignored),
        lambda: sigmoid_contrast(scores, 20.0, -9.0, probabilities, ignored),
    ):
        with Largest() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            loss = lost()
        with largest:
            loss.backward()
        assert 2**16 <= largest.numbers <= most
        assert max(kept) <= size * width
        kept.clear()
