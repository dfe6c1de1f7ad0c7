"""Published checkpoints in small: the authors' names and shapes at other widths, weights drawn, tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

WORDS = ["dog", "barks", "rain", "falls", "on", "a", "tin", "roof", "bell", "rings", "twice", "!"]
CAPTIONS = ["a dog barks", "rain falls on a tin roof", "a bell rings twice"]

# 1024 frames of 16 bands folded into 128×128. Published: 64 bands into 256×256, patches of 4, width 96, depths
# 2, 2, 6, 2, heads 4, 8, 16, 32, window 8.
WIDTH, DEPTHS, HEADS, WINDOW, BANDS, SIDE, PATCH = 8, [2, 2], [2, 4], 4, 16, 128, 8


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


class Drawn:
    """Tensors of a fixed seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def weight(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator) * 0.3

    def linear(self, name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, Tensor]:
        tensors = {f"{name}.weight": self.weight(outputs, inputs)}
        return tensors | ({f"{name}.bias": self.weight(outputs)} if bias else {})

    def norm(self, name: str, size: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + self.weight(size), f"{name}.bias": self.weight(size)}

    def batch_norm(self, name: str, size: int) -> dict[str, Tensor]:
        counted = {
            f"{name}.running_mean": self.weight(size),
            f"{name}.running_var": 1 + self.weight(size).abs(),
            f"{name}.num_batches_tracked": torch.tensor(7),
        }
        return self.norm(name, size) | counted


@pytest.fixture
def drawn() -> Callable[[int], Drawn]:
    return Drawn


def offsets(window: int) -> Tensor:
    """Return WindowAttention's relative_position_index: the row of the table for each pair of places in a window."""
    rows, columns = torch.arange(window).repeat_interleave(window), torch.arange(window).repeat(window)
    apart = (rows[:, None] - rows + window - 1) * (2 * window - 1) + columns[:, None] - columns + window - 1
    return apart


def authors_htsat(filters: Tensor | None = None, seed: int = 5) -> dict[str, Tensor]:
    """Return a state dict of HTSAT_Swin_Transformer.

    LAION-AI/CLAP, src/laion_clap/clap_module/htsat.py: Spectrogram and LogmelFilterBank of torchlibrosa (frozen
    parameters), bn0, patch_embed.proj, patch_embed.norm, layers.i.blocks.j (norm1, attn.relative_position_bias_table,
    attn.relative_position_index, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2, attn_mask in every second block of a
    layer larger than its window), layers.i.downsample (reduction without bias, norm) but in the last, norm, tscam_conv,
    head.
    """
    draw = Drawn(seed)
    state = {
        "spectrogram_extractor.stft.conv_real.weight": draw.weight(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": draw.weight(513, 1, 1024),
        **draw.batch_norm("bn0", BANDS),
        "patch_embed.proj.weight": draw.weight(WIDTH, 1, PATCH, PATCH),
        "patch_embed.proj.bias": draw.weight(WIDTH),
        **draw.norm("patch_embed.norm", WIDTH),
    }
    if filters is not None:
        state["logmel_extractor.melW"] = filters
    places = SIDE // PATCH
    for stage, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width = WIDTH * 2**stage
        for place in range(depth):
            block = f"layers.{stage}.blocks.{place}"
            state |= draw.norm(f"{block}.norm1", width) | draw.norm(f"{block}.norm2", width)
            state[f"{block}.attn.relative_position_bias_table"] = draw.weight((2 * WINDOW - 1) ** 2, heads)
            state[f"{block}.attn.relative_position_index"] = offsets(WINDOW)
            state |= draw.linear(f"{block}.attn.qkv", width, 3 * width)
            state |= draw.linear(f"{block}.attn.proj", width, width)
            state |= draw.linear(f"{block}.mlp.fc1", width, 4 * width)
            state |= draw.linear(f"{block}.mlp.fc2", 4 * width, width)
            if place % 2 and places > WINDOW:
                state[f"{block}.attn_mask"] = torch.zeros((places // WINDOW) ** 2, WINDOW**2, WINDOW**2)
        if stage < len(DEPTHS) - 1:
            state |= draw.linear(f"layers.{stage}.downsample.reduction", 4 * width, 2 * width, bias=False)
            state |= draw.norm(f"layers.{stage}.downsample.norm", 4 * width)
        places //= 2
    final = WIDTH * 2 ** (len(DEPTHS) - 1)
    state |= draw.norm("norm", final)
    state |= {"tscam_conv.weight": draw.weight(5, final, 2, 3), "tscam_conv.bias": draw.weight(5)}
    return state | draw.linear("head", 5, 5)


def filled_htsat(state: dict[str, Tensor]) -> nn.Module:
    """Return transformers' ClapAudioModel with the authors' weights, put in module by module."""
    from transformers import ClapAudioConfig, ClapAudioModel

    config = ClapAudioConfig(
        num_mel_bins=BANDS,
        spec_size=SIDE,
        patch_size=PATCH,
        patch_stride=[PATCH, PATCH],
        patch_embeds_hidden_size=WIDTH,
        hidden_size=WIDTH * 2 ** (len(DEPTHS) - 1),
        depths=DEPTHS,
        num_attention_heads=HEADS,
        window_size=WINDOW,
    )
    model = ClapAudioModel(config).eval()
    tower = model.audio_encoder

    def put(module: nn.Module, name: str) -> None:
        own = module.state_dict(keep_vars=True)
        assert {f"{name}.{last}" for last in own} <= set(state), name
        with torch.no_grad():
            for last, tensor in own.items():
                tensor.copy_(state[f"{name}.{last}"])

    put(tower.batch_norm, "bn0")
    put(tower.patch_embed.proj, "patch_embed.proj")
    put(tower.patch_embed.norm, "patch_embed.norm")
    put(tower.norm, "norm")
    for stage, layer in enumerate(tower.layers):
        if layer.downsample is not None:
            put(layer.downsample, f"layers.{stage}.downsample")
        for place, block in enumerate(layer.blocks):
            name = f"layers.{stage}.blocks.{place}"
            put(block.layernorm_before, f"{name}.norm1")
            put(block.layernorm_after, f"{name}.norm2")
            put(block.attention.output.dense, f"{name}.attn.proj")
            put(block.intermediate.dense, f"{name}.mlp.fc1")
            put(block.output.dense, f"{name}.mlp.fc2")
            attention, width = block.attention.self, WIDTH * 2**stage
            assert torch.equal(attention.relative_position_index, state[f"{name}.attn.relative_position_index"])
            with torch.no_grad():
                attention.relative_position_bias_table.copy_(state[f"{name}.attn.relative_position_bias_table"])
                for part, linear in enumerate((attention.query, attention.key, attention.value)):
                    rows = slice(part * width, (part + 1) * width)
                    linear.weight.copy_(state[f"{name}.attn.qkv.weight"][rows])
                    linear.bias.copy_(state[f"{name}.attn.qkv.bias"][rows])
    return model


@pytest.fixture
def htsat() -> Callable[..., dict[str, Tensor]]:
    return authors_htsat


@pytest.fixture
def filled() -> Callable[[dict[str, Tensor]], nn.Module]:
    return filled_htsat


@pytest.fixture
def slaney() -> Callable[[float, float, int], Tensor]:
    """Mel filters as librosa makes them, in transformers' words."""
    from transformers.audio_utils import mel_filter_bank

    def made(low: float, high: float, rate: int, bands: int = BANDS) -> Tensor:
        bank = mel_filter_bank(513, bands, low, high, rate, norm="slaney", mel_scale="slaney")
        return torch.from_numpy(bank).float()

    return made


@pytest.fixture
def tokenizer(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a small tokenizer of words, as a hub would hold it."""
    from transformers import PreTrainedTokenizerFast

    def written(kind: str, folder: Path | None = None) -> Path:
        if kind == "gpt2":  # of single letters, bytes as GPT-2 has them: the first is "!"
            letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"]
            made = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokens = {"eos_token": "<|endoftext|>"}
        else:
            special = {"roberta": ["<s>", "<pad>", "</s>"], "bert": ["[PAD]", "[CLS]", "[SEP]"]}[kind]
            names = [*special, *WORDS, "[UNK]"]
            made = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="[UNK]"))
            made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
            start, end = ("<s>", "</s>") if kind == "roberta" else ("[CLS]", "[SEP]")
            pairs = [(start, names.index(start)), (end, names.index(end))]
            made.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=pairs)
            padding = special[0 if kind == "bert" else 1]
            tokens = {"unk_token": "[UNK]", "pad_token": padding, "bos_token": start, "eos_token": end}
        folder = folder or tmp_path / f"{kind}-tokenizer"
        PreTrainedTokenizerFast(tokenizer_object=made, **tokens).save_pretrained(folder)
        return folder

    return written
