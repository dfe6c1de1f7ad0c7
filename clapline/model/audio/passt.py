"""PaSST: the patchout spectrogram transformer, new or with the weights its authors publish.

Koutini et al., arXiv 2110.05069; weights of kkoutini/PaSST (Apache-2.0), e.g. `passt_s_p16_s16_128_ap468`: patches of
16 × 16 without overlap, 8 rows × 62 columns for 128 bands × 1000 frames; `passt_s_swa_p16_128_ap476` and
`passt_s_kd_p16_128_ap486`: the same patches every 10 bands and frames, 12 × 99. Unlike the authors' code, a training
input that is shorter than the table takes the first time positions, as in evaluation, and not random ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.checkpoint_names import block_sizes, prefix_of, require
from clapline.model.audio.published_vit import PublishedVit, new_sizes, stride_of
from clapline.model.audio.vit_sizes import VitSizes, patches_along
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

RELEASES = "https://github.com/kkoutini/PaSST/releases"
STRIDES = (10, 12, 14, 16)  # of the published models
PREFIXES = ("", "net.", "model.net.", "model.", "module.")  # bare, hear21passt's wrapper, others' wrappers
USED = (
    "cls_token", "dist_token", "new_pos_embed", "freq_new_pos_embed", "time_new_pos_embed",
    "patch_embed.proj.weight", "patch_embed.proj.bias",
)  # fmt: skip
HEADS = ("head.", "head_dist.", "pre_logits.")  # classifiers over AudioSet's labels


class Passt(PublishedVit):
    """PaSST. "segment" states are the mean of CLS and DIST, the authors' embedding of 768 numbers."""

    PUBLISHED = f"{RELEASES}, e.g. download/v0.0.2-audioset/passt-s-f128-p16-s16-ap.468.pt"
    FILES: ClassVar[Mapping[str, str]] = {
        "passt_s_swa_p16_128_ap476": "passt-s-f128-p16-s10-ap.476-swa.pt",
        "passt_s_swa_p16_128_ap4761": "passt-s-f128-p16-s10-ap.4761-swa.pt",
        "passt_s_kd_p16_128_ap486": "passt-s-kd-ap.486.pt",
        "passt_l_kd_p16_128_ap47": "passt-l-kd-ap.47.pt",
        "passt_s_p16_128_ap472": "passt-s-f128-p16-s10-ap.472.pt",
        "passt_s_p16_s16_128_ap468": "passt-s-f128-p16-s16-ap.468.pt",
        "passt_s_swa_p16_s16_128_ap473": "passt-s-f128-p16-s16-ap.473-swa.pt",
        "passt_s_swa_p16_s14_128_ap471": "passt-s-f128-p16-s14-ap.471-swa.pt",
        "passt_s_p16_s14_128_ap469": "passt-s-f128-p16-s14-ap.469.pt",
        "passt_s_swa_p16_s12_128_ap473": "passt-s-f128-p16-s12-ap.473-swa.pt",
        "passt_s_p16_s12_128_ap470": "passt-s-f128-p16-s12-ap.470.pt",
        "passt_s_f128_20sec_p16_s10_ap474": "passt-s-f128-20sec-p16-s10-ap.474-swa.pt",
        "passt_s_f128_30sec_p16_s10_ap473": "passt-s-f128-30sec-p16-s10-ap.473-swa.pt",
    }

    @classmethod
    def new_sizes(cls, settings: AudioEncoder, features: Features, frames: int) -> VitSizes:
        """Return the sizes of PaSST-S: patches of 16 × 16, CLS and DIST."""
        return new_sizes(settings, features, frames, (16, 16), summary_tokens=2, query_key_value_bias=True)

    @classmethod
    def read_checkpoint(
        cls, tensors: Mapping[str, Tensor], settings: AudioEncoder, features: Features
    ) -> tuple[VitSizes, dict[str, Tensor], list[str]]:
        """Return sizes, tensors under our names, and the names of the classifier heads, which have no place here.

        Raises:
            UserError: other weights, or a stride or number of bands that they were not trained with.
        """
        prefix = prefix_of(tensors, "time_new_pos_embed", PREFIXES, "PaSST")
        require(tensors, [prefix + name for name in USED if name != "dist_token"], "PaSST")
        bands, times = tensors[prefix + "freq_new_pos_embed"], tensors[prefix + "time_new_pos_embed"]
        patch = tuple(tensors[prefix + "patch_embed.proj.weight"].shape[2:])
        sizes = VitSizes(
            patch=patch,
            stride=_stride(stride_of(settings), patch, features.mel_bands, bands.shape[2]),
            rows=bands.shape[2],
            columns=times.shape[3],
            summary_tokens=tensors[prefix + "new_pos_embed"].shape[1],
            **block_sizes(tensors, prefix, "PaSST"),
        )
        given = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
        ignored = [prefix + name for name in given if name.startswith(HEADS)]
        return sizes, {**_renamed(given), **others}, ignored


def _renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under our names, without the classifier heads."""
    tokens = [given[name][0] for name in ("cls_token", "dist_token") if name in given]
    ours = {
        "tokens": torch.cat(tokens),
        "token_positions": given["new_pos_embed"][0],
        "band_positions": given["freq_new_pos_embed"][0, :, :, 0].T,
        "time_positions": given["time_new_pos_embed"][0, :, 0, :].T,
        "patches.weight": given["patch_embed.proj.weight"],
        "patches.bias": given["patch_embed.proj.bias"],
    }
    same = {name: tensor for name, tensor in given.items() if name not in USED and not name.startswith(HEADS)}
    return {**same, **ours}


def _stride(chosen: tuple[int, int] | None, patch: tuple[int, int], bands: int, rows: int) -> tuple[int, int]:
    """Return the step of the patches: as chosen, or the published one that gives so many rows of positions."""
    if chosen is None:
        fitting = [step for step in STRIDES if patches_along(bands, patch[0], step) == rows]
        if len(fitting) != 1:
            raise UserError(
                f"PaSST weights with {rows} rows of patches, and {bands} bands: set audio.patch_stride "
                f"(the published models have {', '.join(map(str, STRIDES))} in both directions, and 128 bands)"
            )
        return fitting[0], fitting[0]
    made = patches_along(bands, patch[0], chosen[0])
    if made != rows:
        raise UserError(
            f"audio.patch_stride {list(chosen)} makes {made} rows of patches of {bands} bands; the weights have {rows}"
        )
    return chosen
