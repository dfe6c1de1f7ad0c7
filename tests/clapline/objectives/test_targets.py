"""Targets of every kind: blocks of rows, columns and mass are those of the whole matrix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from clapline.objectives import targets as module
from clapline.objectives.positives import PositivePairs
from clapline.objectives.soft_targets import meaning_targets, positive_part, rating, teacher_targets
from clapline.objectives.targets import HardTargets, MixedTargets, SoftmaxTargets, Targets, WeightTargets
from tests.clapline.objectives.losses import positives_of, unit

SIZE = 7
KINDS: dict[str, Callable[[], Targets]] = {
    "hard": lambda: HardTargets(positives_of(SIZE)),
    "hard, one each": lambda: HardTargets(PositivePairs.identity(SIZE)),
    "weights": lambda: WeightTargets(unit(SIZE, 3, 0), unit(SIZE, 3, 1), rating),
    "weights as they are": lambda: WeightTargets(unit(SIZE, 3, 0), unit(SIZE, 3, 1), positive_part, normalise=False),
    "softmax": lambda: SoftmaxTargets(unit(SIZE, 3, 0), unit(SIZE, 3, 1), 0.2),
    "softmax of a change": lambda: SoftmaxTargets(unit(SIZE, 3, 0), unit(SIZE, 3, 1), 0.2, rating),
    "mixed": lambda: mixed(normalise=False),
    "mixed, rows made to sum to 1": lambda: mixed(normalise=True),
    **{
        f"teacher, {form}": lambda form=form: teacher_targets(positives_of(SIZE), unit(SIZE, 3, 2), 0.3, form)
        for form in ("raw", "normalised", "softmax")
    },
    "meaning": lambda: meaning_targets(positives_of(SIZE), unit(SIZE, 3, 2), 0.3),
}


def mixed(*, normalise: bool) -> MixedTargets:
    soft = WeightTargets(unit(SIZE, 3, 0), unit(SIZE, 3, 1), positive_part, normalise=False)
    return MixedTargets(HardTargets(positives_of(SIZE)), soft, 0.4, normalise=normalise)


@pytest.mark.parametrize("block", [1, 3 * SIZE, 2**22])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_those_of_the_whole(kind: str, block: int, monkeypatch: pytest.MonkeyPatch):
    whole = KINDS[kind]().rows(0, SIZE)
    monkeypatch.setattr(module, "BLOCK", block)  # what sums and logs are made in
    made = KINDS[kind]()
    assert made.size == SIZE
    assert (whole >= 0).all()
    for start, stop in [(0, 2), (2, 3), (3, SIZE)]:
        torch.testing.assert_close(made.rows(start, stop), whole[start:stop])
        torch.testing.assert_close(made.columns(start, stop), whole.T[start:stop])
    torch.testing.assert_close(made.mass.double(), whole.sum(dim=1).double())
    assert made.mass.shape == (SIZE,)


@pytest.mark.parametrize("kind", ["weights", "softmax", "mixed, rows made to sum to 1", "hard", "teacher, softmax"])
def test_rows_sum_to_one(kind: str):
    torch.testing.assert_close(KINDS[kind]().rows(0, SIZE).sum(dim=1).double(), torch.ones(SIZE).double())


@pytest.mark.parametrize("kind", ["weights", "softmax", "teacher, raw", "teacher, softmax"])
def test_no_gradient_reaches_what_targets_are_made_of(kind: str):
    """D 13."""
    leaf = unit(SIZE, 3, 0).requires_grad_()
    made = {
        "weights": lambda: WeightTargets(leaf, leaf, rating),
        "softmax": lambda: SoftmaxTargets(leaf, leaf, 0.2),
        "teacher, raw": lambda: teacher_targets(positives_of(SIZE), leaf, 0.3, "raw"),
        "teacher, softmax": lambda: teacher_targets(positives_of(SIZE), leaf, 0.3, "softmax"),
    }[kind]()
    for found in (made.rows(0, SIZE), made.columns(0, SIZE), made.mass):
        assert not found.requires_grad
