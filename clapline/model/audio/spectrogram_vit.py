"""A vision transformer over spectrogram patches: the network of PaSST and of ATST-Frame.

Dosovitskiy et al. (arXiv 2010.11929), with pre-norm blocks. PaSST (Koutini et al., arXiv 2110.05069) gives each patch
the sum of a learned position in time and one in frequency, puts two summary tokens (CLS, DIST) before the patches and
drops rows and columns of patches in training. ATST-Frame (Li et al., arXiv 2306.04186) has patches that span all bands,
so that its one table of positions is one over time, and no summary token.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio.matching import Matched
from clapline.model.audio.patchout import check_patchout, patchout
from clapline.model.audio.vit_sizes import VitSizes, patches_along


class Attention(nn.Module):
    """Self-attention with several heads: softmax(q kᵀ / √(width / heads)) v, then a projection. No mask, no dropout."""

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, states: Tensor, first: int | None = None) -> Tensor:
        """Return `(batch, tokens, width)` for the same, or the first of these tokens alone."""
        if first is None:
            mixed = self.qkv(states).unflatten(2, (3, self.heads, -1))
            query, key, value = mixed.permute(2, 0, 3, 1, 4).unbind(0)
        else:
            query = self._project(states[:, :first], 0, 1)[0]
            key, value = self._project(states, 1, 3)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))

    def _project(self, states: Tensor, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return some of queries (0), keys (1) and values (2), each `(batch, heads, tokens, width / heads)`."""
        part = slice(start * states.shape[2], stop * states.shape[2])
        bias = None if self.qkv.bias is None else self.qkv.bias[part]
        mixed = F.linear(states, self.qkv.weight[part], bias).unflatten(2, (stop - start, self.heads, -1))
        return mixed.permute(2, 0, 3, 1, 4).unbind(0)


class FeedForward(nn.Module):
    """Linear, GELU (the exact one), linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, states: Tensor) -> Tensor:
        """Return `(..., width)` for the same."""
        return self.fc2(F.gelu(self.fc1(states)))


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, sizes: VitSizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.attn = Attention(sizes.width, sizes.heads, sizes.query_key_value_bias)
        self.norm2 = nn.LayerNorm(sizes.width, eps=1e-6)
        self.mlp = FeedForward(sizes.width, sizes.hidden)

    def forward(self, states: Tensor, first: int | None = None) -> Tensor:
        """Return `(batch, tokens, width)` for the same, or the first of these tokens alone."""
        states = states[:, :first] + self.attn(self.norm1(states), first)
        return states + self.mlp(self.norm2(states))


class SpectrogramVit(nn.Module):
    """Spectrogram `(segments, bands, frames)` → states `(segments, positions, width)`.

    Args:
        sizes: of the network.
        frames: of a full segment; `positions` counts the states of one.
        states: "frames": the patches after the final norm, averaged over the frequency axis, one state per column of
            patches; "segment": the mean of the summary tokens after the final norm, one state.
        patchout_bands: rows of patches that are left out in training.
        patchout_frames: columns of patches that are left out in training. Then `forward` returns the states of the
            columns that stayed, and `forward_columns` says which these are.

    An input shorter than the table of time positions uses the first of them. The first weights are drawn from torch's
    generator: a normal of deviation 0.02 cut at two units for linear layers, tokens and positions; PyTorch's own for
    the patches.

    Raises:
        UserError: a segment longer than the table of time positions, a summary without summary tokens, or patchout
            that leaves nothing.
    """

    def __init__(
        self,
        sizes: VitSizes,
        *,
        frames: int,
        states: Literal["frames", "segment"] = "frames",
        patchout_bands: int = 0,
        patchout_frames: int = 0,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.states = states
        self.patchout_bands = patchout_bands
        self.patchout_frames = patchout_frames
        self.matched: Matched | None = None  # how published weights fitted, where some were loaded
        if states == "segment" and not sizes.summary_tokens:
            raise UserError("audio.states segment: this encoder has no summary token; use frames and audio.pooling")
        columns = self._columns(frames)
        check_patchout(sizes.rows, columns, patchout_bands, patchout_frames)
        self.width = sizes.width
        self.positions = 1 if states == "segment" else columns

        self.patches = nn.Conv2d(1, sizes.width, sizes.patch, stride=sizes.stride)
        self.time_positions = nn.Parameter(torch.zeros(sizes.columns, sizes.width))
        # One row of patches needs no position: the patches' own bias is the same in every row.
        self.band_positions = nn.Parameter(torch.zeros(sizes.rows, sizes.width)) if sizes.rows > 1 else None
        self.tokens, self.token_positions = None, None
        if sizes.summary_tokens:
            self.tokens = nn.Parameter(torch.zeros(sizes.summary_tokens, sizes.width))
            self.token_positions = nn.Parameter(torch.zeros(sizes.summary_tokens, sizes.width))
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width, eps=1e-6)
        self._draw_weights()

    def _draw_weights(self) -> None:
        for parameter in self.parameters(recurse=False):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def _columns(self, frames: int) -> int:
        """Return the columns of patches that so many frames give, refusing more than there are positions for."""
        patch, stride = self.sizes.patch[1], self.sizes.stride[1]
        columns = patches_along(frames, patch, stride)
        most = (self.sizes.columns - 1) * stride + patch + stride - 1
        if not 1 <= columns <= self.sizes.columns:
            raise UserError(
                f"a segment of {frames} frames gives {columns} columns of patches; this encoder has "
                f"{self.sizes.columns} time positions and takes {patch} to {most} frames: set features.segment_s"
            )
        return columns

    def encoder_config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, without its weights."""
        return self.sizes.as_config()

    def forward(self, features: Tensor) -> Tensor:
        """Return states `(segments, positions', width)` of features `(segments, bands, frames)`."""
        return self.forward_columns(features)[0]

    def forward_columns(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the states, and which columns of patches they stand for.

        The columns are a vector of indices below the number of columns without patchout, the same for the whole batch;
        None stands for all of them, and for states of segments, where a column has no state of its own. A mask over all
        positions follows them by `patchout.kept_mask`.
        """
        grid, kept = self._embed(features)
        rows, count = grid.shape[2], 0
        states = grid.flatten(2).transpose(1, 2)
        if self.tokens is not None:
            count = len(self.tokens)
            tokens = (self.tokens + self.token_positions).expand(len(states), -1, -1)
            states = torch.cat([tokens.to(states.dtype), states], dim=1)
        for block in self.blocks[:-1]:
            states = block(states)
        if self.states == "segment":  # nothing reads the patches' states after the last block: they are not computed
            return self.norm(self.blocks[-1](states, count)).mean(dim=1, keepdim=True), None
        states = self.blocks[-1](states)
        patches = self.norm(states[:, count:])
        return (patches.unflatten(1, (rows, -1)).mean(dim=1) if rows > 1 else patches), kept

    def _embed(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return patches with their positions `(segments, width, rows, columns)`, after patchout in training."""
        bands, frames = features.shape[1:]
        columns = self._columns(frames)
        rows = patches_along(bands, self.sizes.patch[0], self.sizes.stride[0])
        if rows != self.sizes.rows:
            raise UserError(f"{bands} bands give {rows} rows of patches; this encoder has {self.sizes.rows}")
        grid = self.patches(features.unsqueeze(1))
        grid = grid + self.time_positions[:columns].T.unsqueeze(1)
        if self.band_positions is not None:
            grid = grid + self.band_positions.T.unsqueeze(2)
        if self.training and (self.patchout_bands or self.patchout_frames):
            return patchout(grid, self.patchout_bands, self.patchout_frames)
        return grid, None
