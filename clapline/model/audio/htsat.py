"""HTSAT (Chen et al. 2022, arXiv 2202.00874), the audio encoder of LAION-CLAP and MS-CLAP 2023, from transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio.architectures import (
    built,
    heard_frames,
    plain,
    read_config,
    read_folder,
    read_mapping,
    restored,
    sized,
)
from clapline.model.audio.matching import match, renamed
from clapline.model.lookup import find_model
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

# Names of a ClapModel's audio tower that hear only what the front end never gives: clips longer than the input.
FUSION = ("audio_encoder.patch_embed.fusion_model.", "audio_encoder.patch_embed.mel_conv2d.")
TOWER = "audio_model."


class Htsat(nn.Module):
    """A hierarchical transformer with shifted windows over a spectrogram folded into a square image.

    `(segments, bands, frames)` in dB → states `(segments, positions, width)`: 32 positions of 768 for the published
    model, which folds 1024 frames of 64 bands into 256×256. Its last hidden state is `(segments, width, 2, 32)`,
    frequency before time; states are its means over frequency, so their mean over positions is the model's own pooled
    output. With states "segment" that output is the only position. Shorter inputs are stretched to the whole image, as
    in the published model, so that there are always all positions.

    A checkpoint with feature fusion becomes one without: fusion only changes clips longer than the input, and
    for any other clip (`is_longer` False) the fused model uses its first channel alone. Its fusion weights are left
    out, since a weight that never takes part could not be trained by several processes. Its features have mel bands of
    the HTK scale without a norm, not Slaney's: `features.mel_scale: htk`.
    """

    fixed_length = True  # a shorter input would be stretched: no batch is cut to its longest clip

    def __init__(self, config: Any, states: str, frames: int) -> None:
        from transformers import ClapAudioModel

        super().__init__()
        ratio = config.spec_size // config.num_mel_bins
        if ratio < 1 or frames > config.spec_size * ratio:
            raise UserError(
                f"htsat with spec_size {config.spec_size} hears at most {config.spec_size * ratio} frames of "
                f"{config.num_mel_bins} bands, the features have {frames}: shorten features.duration_s or set segment_s"
            )
        self.config = config
        self.encoder = built(ClapAudioModel, config)
        smallest = min(self.encoder.audio_encoder.input_resolutions[-1])
        if smallest < config.window_size:
            raise UserError(
                f"audio.config: the last stage of this htsat is {smallest} places wide, less than its window_size "
                f"{config.window_size}: take a larger spec_size, a smaller window_size or fewer depths"
            )
        self.states = states
        self.width = self.encoder.audio_encoder.num_features
        self.positions = 1 if states == "segment" else folded_positions(config)

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> Htsat:
        """Return the audio tower of a ClapModel (`weights`: id or folder), or a random one of `config`."""
        if settings.weights is None:
            fixed = {
                "num_mel_bins": features.mel_bands,
                "enable_fusion": False,
                "fusion_type": None,
                "patch_embed_input_channels": 1,
                "flatten_patch_embeds": True,
            }
            sizes = sized("clap_audio_model", settings.config, fixed | {"hidden_size": 0})
            # Only the spread of the random weights depends on it.
            sizes.hidden_size = sizes.patch_embeds_hidden_size * 2 ** (len(sizes.depths) - 1)
            return cls._of(sizes, settings, features)
        folder = find_model(settings.weights)
        content = read_config(folder, ("clap", "clap_audio_model"))
        config, scale = tower_config(content), mel_scale(folder, content)
        if features.mel_scale != scale:
            raise UserError(
                f"audio.weights {settings.weights} hears mel bands of the scale {scale}, features.mel_scale is "
                f"{features.mel_scale}: set features.mel_scale: {scale}"
            )
        encoder = cls._of(config, settings, features)
        tensors = read_folder(folder)
        tower = renamed(tensors, TOWER) or tensors
        match(encoder.encoder, tower, ignore=(*FUSION, "audio_projection."), source=settings.weights)
        return encoder

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> Htsat:
        """Return the encoder of a saved model, its weights still random."""
        return cls._of(restored(config), settings, features)

    @classmethod
    def _of(cls, config: Any, settings: AudioEncoder, features: Features) -> Htsat:
        if config.num_mel_bins != features.mel_bands:
            raise UserError(f"htsat hears {config.num_mel_bins} mel bands, features.mel_bands is {features.mel_bands}")
        return cls(config, settings.states, heard_frames(features))

    def encoder_config(self) -> dict[str, Any]:
        """Return the sizes of the architecture; `from_config` reads them."""
        return plain(self.config)

    def forward(self, features: Tensor) -> Tensor:
        """Return states `(segments, positions, width)`."""
        output = self.encoder(input_features=features.transpose(1, 2).unsqueeze(1))
        if self.states == "segment":
            return output.pooler_output.unsqueeze(1)
        return output.last_hidden_state.mean(dim=2).transpose(1, 2)


def tower_config(content: dict[str, Any]) -> Any:
    """Return the configuration of the audio tower in the config.json of a ClapModel (or of a tower alone), unfused.

    Raises:
        UserError: a fusion that mixes channels before the first layer, which no single clip can stand for.
    """
    tower = dict(content.get("audio_config") or content) | {"model_type": "clap_audio_model"}
    if tower.get("enable_fusion") and tower.get("fusion_type") == "channel_map":
        raise UserError("feature fusion of type channel_map is not supported; allowed: aff_2d, or no fusion")
    return restored(plain(restored(tower)) | {"enable_fusion": False})


def mel_scale(folder: Path, content: dict[str, Any]) -> str:
    """Return the mel scale, `slaney` or `htk`, that the folder of a ClapModel (or of a tower alone) was trained with.

    ClapFeatureExtractor makes mel bands of Slaney's scale and norm where it cuts longer clips (truncation rand_trunc),
    and bands of the HTK scale without a norm, for every clip, where it prepares longer ones for fusion.

    Args:
        folder: with the extractor's preprocessor_config.json; without that file the tower's fusion decides.
        content: of its config.json.
    """
    fused = (content.get("audio_config") or content).get("enable_fusion")
    file = folder / "preprocessor_config.json"
    says = read_mapping(file) if file.is_file() else {}
    return "htk" if says.get("truncation", "fusion" if fused else "rand_trunc") == "fusion" else "slaney"


def folded_positions(config: Any) -> int:
    """Return the time positions of the last layer: those of one row of the folded image, times the rows."""
    stride = config.patch_stride if isinstance(config.patch_stride, list | tuple) else (config.patch_stride,) * 2
    rows, columns = (config.spec_size // 2 ** (len(config.depths) - 1) // step for step in stride)
    bands = rows // (config.spec_size // config.num_mel_bins)
    return rows // max(bands, 1) * columns
