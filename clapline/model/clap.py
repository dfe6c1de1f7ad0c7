"""Clap: two towers into one space, the learned temperature, and the scores of captions and clips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from clapline.errors import UserError
from clapline.model import masked
from clapline.model.audio import build_audio_encoder
from clapline.model.audio.patchout import kept_mask
from clapline.model.front_ends import build_front_end
from clapline.model.front_ends.window import fit
from clapline.model.head import build_head
from clapline.model.inputs import AudioInputs, Embeddings, Inputs, States, valid_positions
from clapline.model.metadata import MetadataFusion
from clapline.model.pooling import Pooling, TextAwarePooling, pool_tokens
from clapline.model.text import build_text_encoder
from clapline.params.model import Model

# Captions or waveforms encoded at a time. Not a knob: another batch size moves the last bits of an embedding.
ENCODE_BATCH = 128


class Clap(nn.Module):
    """Audio encoder → pooling → head; text encoder → pooling → head. Embeddings are unit vectors, or Gaussians.

    Under text-aware pooling a clip has no embedding of its own: `hear` gives its frames in the shared space, and
    `cosines` lets every caption attend over them.
    """

    def __init__(self, settings: Model, audio: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.front_end = build_front_end(settings.features)
        self.audio = audio
        self.text_aware = settings.audio.pooling == "tap"
        if self.text_aware:
            self.pooling = TextAwarePooling(settings.head.dimension, settings.audio.tap)
        else:
            self.pooling = Pooling(settings.audio.pooling)
        self.audio_head = build_head(audio.width, settings.head)
        self.text = text
        self.text_head = build_head(text.width, settings.head)
        self.metadata = MetadataFusion(text.width, settings.head) if settings.metadata.use != "none" else None
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(1 / settings.temperature.initial)), requires_grad=settings.temperature.learned
        )
        bias = settings.temperature.bias
        self.logit_bias = None if bias is None else nn.Parameter(torch.tensor(bias))
        # Drawn last: with them a model starts as it does without.
        self.audio_mask = masked.new_stand_in(settings.features.mel_bands) if settings.masked else None
        self.text_mask = masked.new_stand_in(text.input_width) if settings.masked else None
        self.bound_logit_scale()
        if settings.audio.frozen:
            audio.requires_grad_(False)

    @classmethod
    def new(cls, settings: Model, captions: Sequence[str]) -> Clap:
        """Return the model that the settings describe; a text encoder from scratch trains its tokenizer on `captions`.

        With `start` set it is that whole pretrained model.
        """
        if settings.start is not None:
            return cls.from_pretrained(settings.start)
        text = build_text_encoder(settings.text, captions=captions)
        return cls(settings, build_audio_encoder(settings.audio, settings.features), text)

    @classmethod
    def from_pretrained(cls, name: Path | str) -> Clap:
        """Load a model by folder or hub id: one that `save` wrote, or any ClapModel of transformers.

        Raises:
            UserError: neither, or nowhere to be had.
        """
        from clapline.model.folder import load

        return load(name)

    def save(self, folder: Path | str, card: str) -> None:
        """Write config.json, model.safetensors, the tokenizer and README.md (the card) as one folder, atomically."""
        from clapline.model.folder import save

        save(self, folder, card)

    def push_to_hub(self, repository: str, card: str = "", *, private: bool = False) -> str:
        """Upload the model to the Hugging Face hub as `organisation/name`; return the address (see `share`)."""
        from tempfile import TemporaryDirectory

        from clapline.model.share import push_to_hub

        with TemporaryDirectory() as temporary:
            self.save(Path(temporary) / "model", card)
            return push_to_hub(Path(temporary) / "model", repository, private=private)

    @property
    def dimension(self) -> int:
        """Size of an embedding."""
        return self.settings.head.dimension

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_scale.device

    def train(self, mode: bool = True) -> Clap:
        """Set training mode; a frozen encoder stays as it is in evaluation: no dropout, no moving averages."""
        super().train(mode)
        if self.settings.audio.frozen:
            self.audio.eval()
        return self

    def logit_scale(self) -> Tensor:
        """Return exp(log scale), which is 1 / temperature; a scalar, within its bound after `bound_logit_scale`."""
        return self.log_scale.exp()

    @torch.no_grad()
    def bound_logit_scale(self) -> None:
        """Bring the log scale back, in place, to the bound of the temperature settings: after every optimiser step.

        Not on the way to the loss: a clamp there has no gradient above the bound, and the scale could never come back.
        """
        self.log_scale.data.clamp_(max=math.log(self.settings.temperature.maximum_scale))

    def listen(self, inputs: AudioInputs) -> States:
        """Return states along the time of each clip, `(clips, segments · positions, width)`, and which count.

        Segments are encoded one by one; those of padding alone are not encoded at all.
        """
        if inputs.states is not None:
            return States(inputs.states.float(), valid_positions(inputs.valid, inputs.states.shape[1]))
        if inputs.features is not None:
            features = inputs.features.float()  # kept in half precision where they lie in memory
        else:
            features = self.front_end(inputs.waveforms, valid=inputs.valid)
        states, kept = self.encode_segments(features, inputs.valid)
        if kept is None:
            return States(states, valid_positions(inputs.valid, states.shape[1]))
        whole = valid_positions(inputs.valid, features.shape[1] * self.audio.positions)
        return States(states, kept_mask(whole, kept, self.audio.positions))

    def encode_segments(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return states `(clips, segments · positions, width)` of features `(clips, segments, bands, frames)`.

        Those of segments that are padding alone are zeros. Beside them, where patchout dropped some columns in time,
        which positions of a segment are left; else None.

        Args:
            features: float32.
            valid: `(clips,)`, the share of each clip, from its start, that is no padding.
        """
        clips, segments = features.shape[:2]
        if segments == 1:
            return self._encoded(features.flatten(0, 1))
        sounding = valid_positions(valid, segments)
        encoded, kept = self._encoded(features[sounding])
        states = encoded.new_zeros(clips, segments, *encoded.shape[1:])
        states[sounding] = encoded
        return states.flatten(1, 2), kept

    def _encoded(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return states of segments and, where patchout dropped some columns in time, which positions are left."""
        if hasattr(self.audio, "forward_columns"):
            return self.audio.forward_columns(features)
        return self.audio(features), None

    def frames(self, inputs: AudioInputs) -> States:
        """Return the clips' states in the shared space, `(clips, positions, dimension)`: what captions attend over."""
        heard = self.listen(inputs)
        return States(self.audio_head.project(heard.states), heard.mask)

    def embed_audio(self, inputs: AudioInputs) -> Embeddings:
        """Return the clips' embeddings `(clips, dimension)`.

        Raises:
            UserError: the model pools by text.
        """
        refuse_text_aware(self)
        embeddings = self.audio_head(self.pooling(self.listen(inputs)))
        if self.metadata is None or inputs.tags is None:
            return embeddings
        tags = pool_tokens(self.text(inputs.tags), self.settings.text.pooling)
        return self.metadata(embeddings, tags, inputs.has_tags)

    def embed_text(self, inputs: Inputs) -> Embeddings:
        """Return the embeddings `(captions, dimension)` of what the text encoder's `prepare` made of captions."""
        return self.text_head(pool_tokens(self.text(inputs), self.settings.text.pooling))

    @property
    def mask_units(self) -> int:
        """Units of a clip that may be hidden, equal stretches of its full time: one per state, or 16 per segment."""
        return masked.mask_units(self)

    def valid_units(self, inputs: AudioInputs) -> Tensor:
        """Return which units of each clip hold something that is no padding, `(clips, units)` boolean.

        At least the first of each clip; of clips that were cut to the longest of their batch, too.

        Raises:
            UserError: cached states.
        """
        return masked.valid_units_of(self, inputs)

    def embed_masked_audio(self, inputs: AudioInputs, visible: Tensor) -> Embeddings:
        """Return the embeddings of clips of which only the units `visible`, `(clips, units)` boolean, are heard.

        See `masked.embed_masked_audio`, also for errors.
        """
        return masked.embed_masked_audio(self, inputs, visible)

    def embed_masked_text(self, inputs: Inputs, visible: Tensor) -> Embeddings:
        """Return the embeddings of captions of which only the tokens `visible`, `(captions, tokens)` boolean, are read.

        See `masked.embed_masked_text`, also for errors.
        """
        return masked.embed_masked_text(self, inputs, visible)

    def hear(self, inputs: AudioInputs) -> Embeddings | States:
        """Return the audio side of a batch: embeddings, or under text-aware pooling frames."""
        return self.frames(inputs) if self.text_aware else self.embed_audio(inputs)

    def cosines(self, text: Tensor, audio: Embeddings | States) -> Tensor:
        """Return the similarity of every caption and every clip, `(captions, clips)`, float32, with gradients.

        Args:
            text: unit embeddings `(captions, dimension)`.
            audio: what `hear` gave.
        """
        if isinstance(audio, States):
            # The shared LayerNorm takes the scale out; √dimension brings unit vectors to where its epsilon is nothing.
            return self.pooling.cosines(text * math.sqrt(text.shape[-1]), audio)
        return (audio.mean.float() @ text.float().T).T

    def encode_texts(self, captions: Sequence[str]) -> np.ndarray:
        """Return unit embeddings `(captions, dimension)`, float32, in evaluation mode; of Gaussians the means.

        Captions are encoded sorted by length, each distinct one once, so that equal captions get equal embeddings.

        Raises:
            UserError: a single text instead of a list of them, whose letters would be taken for captions.
        """
        return self.encode_text_gaussians(captions)[0]

    @torch.inference_mode()
    def encode_text_gaussians(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what `encode_texts` does, and the log variances `(captions, dimension)`, None of points.

        Raises:
            UserError: as for `encode_texts`.
        """
        if isinstance(captions, str):
            raise UserError(f"captions must be a list of texts: [{captions!r}]")
        self.eval()
        distinct = sorted(set(captions), key=lambda caption: (len(caption), caption))
        parts: list[list[np.ndarray]] = [[np.zeros((0, self.dimension), np.float32)] for _ in range(2)]
        for start in range(0, len(distinct), ENCODE_BATCH):
            inputs = self.text.prepare(distinct[start : start + ENCODE_BATCH])
            embeddings = self.embed_text({name: tensor.to(self.device) for name, tensor in inputs.items()})
            for found, part in zip((embeddings.mean, embeddings.log_variance), parts, strict=True):
                if found is not None:
                    part.append(found.float().cpu().numpy())
        places = {caption: row for row, caption in enumerate(distinct)}
        rows = [places[caption] for caption in captions]
        means, widths = map(np.concatenate, parts)
        return means[rows], widths[rows] if self.settings.head.distribution == "gaussian" else None

    @torch.inference_mode()
    def encode_waveforms(self, waveforms: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """Return unit embeddings `(clips, dimension)` of mono waveforms in [-1, 1], in evaluation mode.

        Raises:
            UserError: the sample rate is not the one the model was trained at (nothing is resampled in silence), a
                waveform is not mono, not floating point, empty or not finite, or the model pools by text.
        """
        refuse_text_aware(self)
        parts = [np.zeros((0, self.dimension), np.float32)]
        parts += [heard.mean.float().cpu().numpy() for heard in self._hear_waveforms(waveforms, sample_rate_hz)]
        return np.concatenate(parts)

    @torch.inference_mode()
    def scores(self, captions: Sequence[str], waveforms: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """Return the similarity of every caption and every clip, `(captions, clips)` in [-1, 1], in evaluation mode.

        The one way to compare them under text-aware pooling; otherwise the product of their embeddings.

        Raises:
            UserError: as for `encode_waveforms`, but for pooling by text.
        """
        text = torch.from_numpy(self.encode_texts(captions)).to(self.device)
        parts = [np.zeros((len(captions), 0), np.float32)]
        for heard in self._hear_waveforms(waveforms, sample_rate_hz):
            parts.append(self.cosines(text, heard).float().cpu().numpy())
        return np.concatenate(parts, axis=1)

    def _hear_waveforms(self, waveforms: Sequence[np.ndarray], sample_rate_hz: int) -> Iterator[Embeddings | States]:
        if sample_rate_hz != self.settings.features.sample_rate_hz:
            raise UserError(
                f"the model hears {self.settings.features.sample_rate_hz} Hz, got {sample_rate_hz} Hz: resample first"
            )
        self.eval()
        fitted = [fit(np.asarray(waveform), self.settings.features) for waveform in waveforms]
        for start in range(0, len(fitted), ENCODE_BATCH):
            batch = fitted[start : start + ENCODE_BATCH]
            inputs = AudioInputs(
                valid=torch.tensor([valid for _, valid in batch], dtype=torch.float32),
                waveforms=torch.from_numpy(np.stack([samples for samples, _ in batch])),
            )
            yield self.hear(inputs.to(self.device))


def refuse_text_aware(clap: Clap) -> None:
    """Raise a UserError when the model pools by text and so gives clips no embeddings."""
    if clap.text_aware:
        raise UserError(
            "under text-aware pooling (audio.pooling: tap) a clip has no embedding of its own, only a score with each "
            "caption; what compares embeddings needs pooling: mean"
        )
