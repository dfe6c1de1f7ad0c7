"""Batch norm over several processes, as one process with the whole batch has it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clapline.processes import gather, world_size


class GatheredBatchNorm(_BatchNorm):
    """Batch norm whose statistics are those of all processes; `(batch, channels, ...)` → the same shape.

    In evaluation, and in one process, this is torch's batch norm bit for bit; the names in its state dict are the same
    too, so weights go from one to the other. On a GPU torch's SyncBatchNorm does the work. That one knows no CPU, where
    the statistics (mean, variance and count of each process) are gathered and joined by the rule of Chan, Golub and
    LeVeque (1979), with gradients through the gather.

    The gradient is exact where every process computes the same loss over the embeddings of all: what reaches the
    statistics of one process is the sum of what all processes send back.
    """

    process_group = None  # all processes; SyncBatchNorm asks for it

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch norm takes (batch, channels, ...), got {input.dim()} dimension(s)")

    def _check_non_zero_input_channels(self, input: Tensor) -> None:
        """SyncBatchNorm's second check; torch's batch norm has none."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normed activations; in training the running statistics move too."""
        if not (self.training and world_size() > 1):
            return super().forward(input)
        # Its code, not its class: DistributedDataParallel refuses a SyncBatchNorm on the CPU.
        return nn.SyncBatchNorm.forward(self, input) if input.is_cuda else self._over_processes(input)

    @torch.compiler.disable
    def _over_processes(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        values = input.float()
        axes = [axis for axis in range(values.dim()) if axis != 1]
        variance, mean = torch.var_mean(values, dim=axes, correction=0)
        count = mean.new_full((1,), values.numel() / values.shape[1])
        # shape: (processes, 2 · channels + 1)
        gathered = gather(torch.cat([mean, variance, count]).unsqueeze(0))
        means, variances, counts = gathered.split([len(mean), len(mean), 1], dim=1)
        share = counts / counts.sum()
        mean = (share * means).sum(dim=0)
        variance = (share * (variances + (means - mean).square())).sum(dim=0)
        if self.track_running_stats:
            self._move_running_statistics(mean.detach(), variance.detach(), counts.detach().sum())
        shape = [1, -1] + [1] * (values.dim() - 2)
        normed = (values - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(input.dtype)

    def _move_running_statistics(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        # torch's rule: without a momentum all batches weigh alike; the running variance is the unbiased one.
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)


def gather_statistics(module: nn.Module) -> nn.Module:
    """Replace, in place, every batch norm inside `module` by one over all processes; parameters and buffers stay.

    Returns `module`, or its replacement where it is a batch norm itself. Subclasses of torch's batch norms are left
    alone: they compute something of their own.
    """
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        return _gathered(module)
    for name, child in module.named_children():
        replaced = gather_statistics(child)
        if replaced is not child:
            setattr(module, name, replaced)
    return module


def _gathered(norm: _BatchNorm) -> GatheredBatchNorm:
    gathered = GatheredBatchNorm(
        norm.num_features, norm.eps, norm.momentum, affine=norm.affine, track_running_stats=norm.track_running_stats
    )
    # The very parameters and buffers: an optimiser that holds them goes on holding them.
    gathered._parameters, gathered._buffers = norm._parameters, norm._buffers
    return gathered.train(norm.training)
