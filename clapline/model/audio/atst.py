"""ATST-Frame: the frame-level audio teacher-student transformer, new or with the weights its authors publish.

Li et al., arXiv 2306.04186. Patches span all 64 bands and 4 frames: 25 states per second, 250 for the 10 s of the
published table of positions. Their checkpoint is one of Lightning, with student, teacher and projectors; the teacher's
encoder is the one that is used. As where Primus and Widmer use it for retrieval, it attends to padding too.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from clapline.errors import UserError
from clapline.model.audio.checkpoint_names import block_sizes, prefix_of
from clapline.model.audio.published_vit import PublishedVit, new_sizes, stride_of
from clapline.model.audio.vit_sizes import VitSizes
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

BANDS = 64  # of the published models; their linear patch layer tells bands times frames only
# The teacher of the authors' pretraining; encoders after fine-tuning (ATST-C2F, ATST-Frame); PretrainedSED; bare.
PREFIXES = ("model.teacher.encoder.", "encoder.encoder.frame_encoder.", "encoder.encoder.", "model.atst.", "atst.", "")
# What lies beside the encoder in these files: the student, heads of the pretraining and of fine-tuning, mel filters.
BESIDE = (
    "model.student.", "model.teacher.projector.", "model.teacher.predictor.", "encoder.encoder.teacher_module.",
    "model.atst_mel.", "atst_mel.", "strong_head.", "weak_head.", "seq_model.", "head.",
)  # fmt: skip
UNUSED = ("mask_embed", "cls_token")  # of the encoder: for masked pretraining; of the clip model


class Atst(PublishedVit):
    """ATST-Frame. It has no summary token: states are frames."""

    PUBLISHED = (
        "ATST-F_ssl.pt of https://github.com/fschmid56/PretrainedSED/releases/tag/v0.0.1, or atstframe_base "
        "(atstframe_base_as2M.ckpt) on the Google Drive that Audio-WestlakeU/audiossl links (methods/atstframe)"
    )

    @classmethod
    def new_sizes(cls, settings: AudioEncoder, features: Features, frames: int) -> VitSizes:
        """Return the sizes of the base model: patches of all bands × 4 frames."""
        patch = (features.mel_bands, 4)
        return new_sizes(settings, features, frames, patch, summary_tokens=0, query_key_value_bias=False)

    @classmethod
    def read_checkpoint(
        cls, tensors: Mapping[str, Tensor], settings: AudioEncoder, features: Features
    ) -> tuple[VitSizes, dict[str, Tensor], list[str]]:
        """Return sizes, tensors under our names, and the names that have no place here.

        Raises:
            UserError: other weights, or features of other bands than they were trained with.
        """
        prefix = prefix_of(tensors, "pos_embed", PREFIXES, "ATST-Frame")
        given = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        ours = _renamed(given)
        if features.mel_bands != BANDS:
            raise UserError(f"ATST-Frame's weights hear {BANDS} mel bands, features.mel_bands is {features.mel_bands}")
        patch = tuple(ours["patches.weight"].shape[2:])
        sizes = VitSizes(
            patch=patch,
            stride=stride_of(settings) or patch,
            rows=1,
            columns=len(ours["time_positions"]),
            summary_tokens=0,
            **block_sizes(tensors, prefix, "ATST-Frame"),
        )
        others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
        unused = [prefix + name for name in UNUSED if name in given]
        beside = [name for name in others if name.startswith(BESIDE)]
        if not prefix:
            beside = [name for name in given if name.startswith(BESIDE)]
        left = {name: tensor for name, tensor in {**ours, **others}.items() if name not in beside}
        return sizes, left, [*unused, *beside]


def _renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's tensors under our names.

    The authors' patches come from a linear layer over the 64 · 4 values of a patch, bands outermost, or from a
    convolution. Their first position belongs to no patch. The final norm is called norm in older checkpoints.

    Raises:
        UserError: no patch layer of either kind.
    """
    ours = {}
    for name, tensor in given.items():
        if name in UNUSED:
            continue
        if name == "pos_embed":
            ours["time_positions"] = tensor[0, 1:]
        elif name == "patch_embed.patch_embed.weight":
            width, values = tensor.shape
            if values % BANDS:
                raise UserError(f"ATST-Frame's patch layer takes {values} values, not a multiple of {BANDS} bands")
            ours["patches.weight"] = tensor.reshape(width, 1, BANDS, values // BANDS)
        elif name.startswith("patch_embed.patch_embed."):
            ours["patches." + name.removeprefix("patch_embed.patch_embed.")] = tensor
        elif name.startswith("patch_embed.proj."):
            ours["patches." + name.removeprefix("patch_embed.proj.")] = tensor
        else:
            ours[name.replace("norm_frame.", "norm.", 1) if name.startswith("norm_frame.") else name] = tensor
    if "patches.weight" not in ours:
        raise UserError("no weights of ATST-Frame: no patch_embed.patch_embed.weight and no patch_embed.proj.weight")
    return ours
