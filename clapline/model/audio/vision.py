"""Image networks of transformers that see a spectrogram as an image of one channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model.audio.architectures import built, heard_frames, plain, published, read_config, restored, sized
from clapline.model.lookup import find_model
from clapline.params.audio_encoder import AudioEncoder
from clapline.params.features import Features

# Convolutional networks with one feature map at the end; others have no axis of time to give states along.
ARCHITECTURES = ("resnet", "convnext", "convnextv2", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet")
# Whose states depend on nothing but the frames around them. In the others a sum over the whole image weighs the
# channels (EfficientNet, RegNet, ConvNeXt 2), or where an image is padded depends on its size (MobileNet).
LOCAL = ("resnet", "convnext")


class VisionCnn(nn.Module):
    """A convolutional network over the spectrogram, then the mean over what is left of the mel axis.

    `(segments, bands, frames)` → feature map `(segments, width, bands', frames')` → states of the frames left,
    `(segments, frames', width)`. With states "segment" the only position is the model's own pooled output. ConvNeXt
    norms after pooling; its norm is applied to the states likewise. With an EfficientNet or MobileNet and the features
    of kind `passt` this stands for the EfficientAT family (Schmid et al. 2023, arXiv 2211.04772), whose weights are
    published for another architecture.
    """

    def __init__(self, model: nn.Module, states: str, bands: int, frames: int) -> None:
        super().__init__()
        # The usual memory format: channels last saves a fifth of a step here, but corrupts memory in the backward pass
        # of a RegNet on the CPU (torch 2.13).
        self.encoder = with_usual_momentum(model)
        self.states = states
        # Cut to its longest clip, a batch would then move the states of every clip.
        self.fixed_length = states == "segment" or model.config.model_type not in LOCAL
        self.width, steps = feature_map(model.config, bands, frames)
        self.positions = 1 if states == "segment" else steps

    @classmethod
    def from_settings(cls, settings: AudioEncoder, features: Features) -> VisionCnn:
        """Return a published network (`weights`: id or folder), or a random one of `architecture` and `config`.

        Published networks see three colours: the kernels of their first convolution are summed over the colours, which
        is what they compute when all three show the same spectrogram.
        """
        from transformers import AutoModel

        if settings.weights is None:
            kind = _allowed(settings.architecture)
            config = sized(kind, settings.config, {"num_channels": 1})
            model = with_norms_at_rest(built(AutoModel.from_config, config))
        else:
            folder = find_model(settings.weights)
            config = restored(plain(restored(read_config(folder, ARCHITECTURES))))
            if settings.architecture not in (None, config.model_type):
                raise UserError(
                    f"audio.architecture {settings.architecture}: {settings.weights} is {config.model_type}"
                )
            model = one_channel(published(AutoModel, folder, config))
        return cls(model, settings.states, features.mel_bands, heard_frames(features))

    @classmethod
    def from_config(cls, settings: AudioEncoder, features: Features, config: dict[str, Any]) -> VisionCnn:
        """Return the encoder of a saved model, its weights still random."""
        from transformers import AutoModel

        model = built(AutoModel.from_config, restored(config))
        return cls(model, settings.states, features.mel_bands, heard_frames(features))

    def encoder_config(self) -> dict[str, Any]:
        """Return the architecture and its sizes; `from_config` reads them."""
        return plain(self.encoder.config)

    def forward(self, features: Tensor) -> Tensor:
        """Return states `(segments, positions, width)`."""
        output = self.encoder(pixel_values=features.unsqueeze(1))
        if self.states == "segment":
            return output.pooler_output.flatten(1).unsqueeze(1)
        states = output.last_hidden_state.mean(dim=2).transpose(1, 2)
        norm = getattr(self.encoder, "layernorm", None)
        return states if norm is None else norm(states)


def feature_map(config: Any, bands: int, frames: int) -> tuple[int, int]:
    """Return the channels and the time steps of the last feature map, found without arithmetic (on the meta device).

    Raises:
        UserError: the features are too small for the network, or its sizes do not go together.
    """
    from transformers import AutoModel

    with torch.device("meta"), torch.no_grad():
        try:
            output = AutoModel.from_config(config).eval()(pixel_values=torch.empty(1, 1, bands, frames))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"this {config.model_type} cannot see {bands} bands x {frames} frames: {reason}") from error
    _, channels, height, steps = output.last_hidden_state.shape
    if not height * steps:
        raise UserError(f"{bands} bands x {frames} frames are too few for this {config.model_type}")
    return channels, steps


def with_norms_at_rest(model: nn.Module) -> nn.Module:
    """Return a random network whose batch norms start with weight 1 and bias 0.

    transformers draws the weights of EfficientNet's around 0 with a deviation of 0.02, so that the states of even a
    small one are below 10⁻³⁰, and it never learns.
    """
    for norm in _batch_norms(model):
        norm.reset_parameters()
    return model


def with_usual_momentum(model: nn.Module) -> nn.Module:
    """Return the network with torch's usual momentum of batch norm, 0.1, the share of the newest batch in the averages.

    transformers gives EfficientNet TensorFlow's 0.99, which is the share of the past there, and MobileNet 0.003, with
    which the averages lag a thousand steps behind the weights.
    """
    for norm in _batch_norms(model):
        norm.momentum = 0.1
    return model


def _batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]


def one_channel(model: nn.Module) -> nn.Module:
    """Return the network with its first convolution summed over its input channels; it sees one channel then."""
    first = next(part for part in model.modules() if isinstance(part, nn.Conv2d))
    if first.in_channels != 1:
        with torch.no_grad():
            first.weight = nn.Parameter(first.weight.sum(dim=1, keepdim=True))
        first.in_channels = 1
    model.config.num_channels = 1
    for part in model.modules():
        if hasattr(part, "num_channels") and part is not model:
            part.num_channels = 1  # ResNet, RegNet and ConvNeXt compare the image with it
    return model


def _allowed(architecture: str | None) -> str:
    if architecture not in ARCHITECTURES:
        raise UserError(f"audio.architecture {architecture!r}: allowed: {', '.join(ARCHITECTURES)}")
    return architecture
