"""Batches larger than the encoders' memory: pairs are encoded piece by piece, twice (GradCache, arXiv 2101.06983).

First without gradients, to get all embeddings; the loss then gives the gradient of each embedding; and every piece is
encoded once more, with gradients, to carry its own share on to the weights. Memory of the encoders is that of one
piece, whatever the batch. Dropout draws the same numbers both times. Value and gradients are those of the whole batch
at once, but for batch norm, whose statistics are those of a piece (in both passes; the running ones move once).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clapline.model.inputs import AudioInputs
from clapline.objectives.scores import pieces
from stages.train.batch import Batch
from stages.train.task import Encoded, Piece, Task


def cached_backward(
    model: nn.Module,
    audio: AudioInputs,
    batch: Batch,
    at_once: int,
    share: float,
    begin: Callable[[int], None],
    alone: Callable[[], contextlib.AbstractContextManager],
    travels: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the gradients of a batch to the weights; return its loss and figures by name, without gradients.

    Args:
        model: a Task, or what DDP made of it.
        audio: the local clips, ready for the encoder.
        batch: on the same device.
        at_once: pairs in a piece.
        share: factor of the gradients.
        begin: sets the seed of the draws in a piece, by its number.
        alone: context in which gradients stay in this process.
        travels: whether the gradients of this batch are sent to the other processes, with its last piece.
    """
    task: Task = model if isinstance(model, Task) else model.module
    places = pieces_of(batch, at_once)
    found = []
    with torch.no_grad(), _norms_as_they_are(task):
        for number, piece in enumerate(places):
            begin(number)
            found.append(task.encode(audio, batch, piece))
    joined = _joined(found)
    del found
    leaves = {name: tensor.detach().requires_grad_(tensor.is_floating_point()) for name, tensor in joined.items()}
    loss, figures = task.loss(leaves, batch)
    (loss * share).backward()
    gradients = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    for number, piece in enumerate(places):
        begin(number)
        with contextlib.nullcontext() if piece.learned and travels else alone():
            encoded = model(audio, batch, piece)
            wanted = [name for name, tensor in encoded.items() if name in gradients and tensor.requires_grad]
            torch.autograd.backward(
                [encoded[name] for name in wanted], [_share(name, gradients[name], piece) for name in wanted]
            )
    return loss.detach(), figures


def pieces_of(batch: Batch, at_once: int) -> list[Piece]:
    """Return the pieces of a batch, of at most `at_once` pairs or masked inputs; the last one has something of all.

    DDP sends gradients with the last one, and waits for every weight that has a part in a loss.
    """
    pairs = [slice(*place) for place in pieces(batch.local, at_once)]
    masked = [slice(*place) for place in pieces(len(batch.masked.rows), at_once)] if batch.masked else []
    last = Piece(pairs[-1], masked[-1] if masked else None)
    return [
        *(Piece(rows, None, learned=False) for rows in pairs[:-1]),
        *(Piece(None, rows, learned=False) for rows in masked[:-1]),
        last,
    ]


def _joined(found: list[Encoded]) -> Encoded:
    """Return the pieces as one: clips and masked inputs one after the other, captions within each view."""
    names = dict.fromkeys(name for piece in found for name in piece)
    joined = {}
    for name in names:
        parts = [piece[name] for piece in found if name in piece]
        joined[name] = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1 if name.startswith("text.") else 0)
    return joined


def _share(name: str, gradient: Tensor, piece: Piece) -> Tensor:
    """Return a piece's part of a gradient; of what belongs to no pair, all."""
    if name.startswith("text."):
        return gradient[:, piece.pairs]
    if name.startswith(("audio.", "frames.")):
        return gradient[piece.pairs]
    return gradient[piece.masked] if name.startswith("masked_") else gradient


@contextlib.contextmanager
def _norms_as_they_are(task: Task) -> Iterator[None]:
    """Put the running statistics of batch norms back afterwards: the second pass moves them."""
    norms = [module for module in task.modules() if isinstance(module, _BatchNorm)]
    kept = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
