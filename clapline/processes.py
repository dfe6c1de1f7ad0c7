"""Several processes that train together: how many they are, and a gather with exact gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(local: Tensor) -> Tensor:
    """Return the rows of every process, `(rows, ...)` → `(processes · rows, ...)`, in the order of the ranks.

    Each process must hold equally many rows. The gradient of a row is the sum of what every process sends back to it.

    Let L be one loss that every process computes from all gathered rows E. Process r then has ∂L/∂E, and this gather's
    backward gives its own rows e_r the sum over W processes, W · ∂L/∂e_r; so its parameters θ get
    W · ∂L/∂e_r · ∂e_r/∂θ. DistributedDataParallel averages over the processes:
        1/W · Σ_r W · ∂L/∂e_r · ∂e_r/∂θ = ∂L/∂θ,
    the gradient of one process that holds the whole batch. A parameter that acts after the gather (temperature, bias)
    gets ∂L/∂θ in each process, and their average is the same. So no loss is scaled and none is added up twice.

    The same holds where each process computes its own part of L alone and gathers the parts: L is then one function of
    gathered numbers in every process, and the backward of that gather brings each part's gradient home.
    """
    return local if world_size() == 1 else _Gather.apply(local)


class _Gather(torch.autograd.Function):
    # Of our own, from the two public collectives: torch's differentiable gathers are deprecated or private (2.13).

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, local: Tensor) -> Tensor:
        ctx.rows = len(local)
        parts = [torch.empty_like(local, memory_format=torch.contiguous_format) for _ in range(world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed[dist.get_rank() * ctx.rows : (dist.get_rank() + 1) * ctx.rows]
