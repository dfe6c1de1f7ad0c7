"""The settings in docs/models.md: each block is a valid section, and trains through the real trainer when made small.

Made small by one rule (`small`): published audio weights give way to a random network of the same family with tiny
sizes, a pretrained text model to a random one of the same architecture with tiny sizes, a whole pretrained model
(`start`) to a ClapModel of random weights in a folder; batches hold 4 pairs, and there are 3 steps. What is heard, for
how long, how it is pooled and projected, the objective, the rates and their course are the block's own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from clapline.audio.decode import flac_bytes
from clapline.audio.shards import ShardWriter
from clapline.model.clap import Clap
from clapline.params.base import validated
from clapline.params.machine import Machine
from clapline.params.student import Student
from clapline.params.teacher import Teacher
from clapline.params.training import Training
from stages.settings.checks import check_params
from stages.train.batches import steps_of
from stages.train.checkpoints import Checkpoint
from stages.train.clips import set_feature_scale, training_clips
from stages.train.data import Source, TrainingData
from stages.train.feeder import Feeder
from stages.train.loop import Trainer
from stages.train.optimiser import build_optimiser
from stages.train.schedule import learning_rate, set_learning_rates
from stages.train.start import fit_objective

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "models.md"
BLOCKS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load(content)
    for name, content in re.findall(r"^```yaml (\S+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
}
SECTIONS = {"robustclap": Student}  # every other block is a teacher
THESIS = ("thesis", "thesis-passt", "thesis-sigmoid")
MACHINE = Machine(device="cpu", progress=False)
SEED = 0

VIT = {"width": 16, "depth": 2, "heads": 2, "hidden": 32}
AUDIO_SIZES = {
    "atst": VIT,
    "passt": VIT,
    "cnn14": {"channels": [4, 4, 4, 8, 8, 8], "embedding": 16},
    "htsat": {"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2]},
}
BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT_FAMILIES = {
    "roberta-large": ("roberta", BERT),
    "bert-base-uncased": ("bert", BERT),
    "gpt2": ("gpt2", {"n_embd": 16, "n_layer": 2, "n_head": 2}),
}
WORDS = ("dog", "rain", "bell", "train", "bird", "saw")
SECONDS = (3.0, 31.0, 12.0, 7.5, 0.8, 10.0)  # shorter and longer than what any of the models hears


def section_of(name: str) -> type[Training]:
    return SECTIONS.get(name, Teacher)


def valid(name: str, values: dict[str, Any] | None = None) -> Training:
    return validated(section_of(name), BLOCKS[name] if values is None else values, f"docs/models.md: {name}")


def small(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a block made small; `folder` is for a whole pretrained model, where it starts from one."""
    model = dict(values["model"])
    if "start" in model:
        model["start"] = str(tiny_clap_model(folder / "start"))
    else:
        audio, text = dict(model["audio"]), dict(model["text"])
        assert audio.pop("weights")
        audio["config"] = AUDIO_SIZES[audio["kind"]]
        architecture, sizes = TEXT_FAMILIES[text.pop("model")]
        text |= {"kind": "architecture", "architecture": architecture, "config": sizes, "vocabulary": 100}
        model |= {"audio": audio, "text": text}
    return values | {"model": model, "steps": 3, "epochs": None, "batch_size": 4, "log_every_steps": 1}


def tiny_clap_model(folder: Path) -> Path:
    """Write a ClapModel of random weights: laion/clap-htsat-unfused with few, narrow layers; return its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

    text = {**BERT, "vocab_size": 40, "max_position_embeddings": 90}
    audio = {**AUDIO_SIZES["htsat"], "num_mel_bins": 64, "spec_size": 256, "hidden_size": 16}
    torch.manual_seed(SEED)
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=16)).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad").save_pretrained(folder)
    names = ["<s>", "<pad>", "</s>", "<unk>", "a", "the", "sound", "of", "hear", *WORDS]
    made = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokens = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **tokens).save_pretrained(folder)
    return folder


def noises(folder: Path, rate_hz: int) -> pd.DataFrame:
    """Write clips of noise, each with a level of its own, into a shard; return their rows of a clip table."""
    random, rows = np.random.default_rng(SEED), []
    with ShardWriter(folder / "00000.tar") as writer:
        for place, seconds in enumerate(SECONDS):
            samples = random.uniform(-1, 1, round(seconds * rate_hz)).astype(np.float32) * (place + 1) / 8
            at = writer.add(f"clip{place}", flac_bytes(samples, rate_hz))
            rows.append(
                {"dataset": "toy", "clip_id": f"clip{place}", "shard": str(folder / at.shard), "offset": at.offset}
                | {"nbytes": at.nbytes, "sha256": at.sha256, "sample_rate_hz": rate_hz, "duration_s": seconds}
            )
    return pd.DataFrame(rows)


def source(clips: int, captions: int) -> Source:
    texts = [[f"{'the sound of ' * place}a {WORDS[row % 6]}" for place in range(captions)] for row in range(clips)]
    owners = [[("toy", str(row))] * captions for row in range(clips)]
    return Source("paired", 1.0, list(range(clips)), texts, owners)


def rate_of(block: dict[str, Any], part: str) -> float:
    """Return the rate that a block gives a part; a part left out has the audio's."""
    return block["learning_rates"].get(part, block["learning_rates"]["audio"])


def part_of(name: str) -> str:
    """Return the part that a parameter of a Clap belongs to, by its name."""
    child = name.partition(".")[0]
    others = {"audio_head": "heads", "text_head": "heads", "log_scale": "logits", "logit_bias": "logits"}
    others |= {"audio_mask": "audio", "text_mask": "text"}
    return others.get(child, child)


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAPLINE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_is_a_valid_section(name):
    settings = valid(name)
    for key, value in BLOCKS[name].items():
        if not isinstance(value, dict):
            assert getattr(settings, key) == value


@pytest.mark.parametrize("name", BLOCKS)
def test_in_params_yaml_with_what_the_page_says_around_it(name, tmp_path):
    params = yaml.safe_load((DOCUMENT.parents[1] / "params.yaml").read_text())
    if section_of(name) is Student:
        params["teacher"] = {"model": BLOCKS[name]["model"], "steps": 0}
        params["student"] = BLOCKS[name]
        params["prepare"]["sample_rate_hz"] = 48000
        params["paraphrase"]["levels"] = [1, 2]
    else:
        params["teacher"] = BLOCKS[name]
        params["prepare"]["sample_rate_hz"] = valid(name).model.features.prepared_rate_hz
    if name == "thesis":
        assert params["prepare"]["sample_rate_hz"] == 32000
        params["roles"]["unpaired"] = []
        params["student"]["sources"]["curated"] = 0.0
        params["student"]["objective"]["contrastive"]["targets"] = "hard"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert check_params(tmp_path / "params.yaml") == len(params)


def test_what_the_thesis_and_robustclap_say_is_there():
    assert {*THESIS, "robustclap", "unsupervised", "prolap"} <= set(BLOCKS)
    thesis = valid("thesis")
    assert (thesis.model.audio.pooling, thesis.model.audio.tap.dimension, thesis.epochs) == ("tap", 2048, 20)
    assert (rate_of(BLOCKS["thesis"], "audio"), rate_of(BLOCKS["thesis"], "text")) == (4e-6, 2e-5)
    paraphrase = valid("robustclap").objective.paraphrase
    assert (paraphrase.weight, paraphrase.levels) == (1.0, [1, 2])


@pytest.mark.parametrize("name", BLOCKS)
def test_made_small_it_trains(name, tmp_path):
    block = BLOCKS[name]
    settings = valid(name, small(block, tmp_path))
    pairs = source(len(SECONDS), 2)
    captions = sorted({text for texts in pairs.captions for text in texts})
    torch.manual_seed(SEED)
    clap = Clap.new(settings.model, captions)
    if "start" not in block["model"]:
        assert clap.settings.features == valid(name).model.features
    clips = noises(tmp_path, clap.settings.features.prepared_rate_hz)
    inputs, mean, deviation = training_clips(clap, clips, settings, MACHINE, SEED, "teacher")
    if "start" not in block["model"]:
        set_feature_scale(clap, mean, deviation)
    clap = fit_objective("teacher", clap, settings, mean, SEED)
    levels = settings.objective.paraphrase.levels if settings.objective.paraphrase.weight else []
    paraphrases = {level: {text: ["hear " * level + text] for text in captions} for level in levels}
    data = TrainingData(inputs, [pairs], paraphrases)
    units = clap.mask_units if settings.objective.masks else 0
    feeder = Feeder(data, settings, clap.settings, clap.text, seed=SEED, stage="teacher", mask_units=units)
    assert feeder[0].views == 1 + len(levels)
    before = {key: tensor.clone() for key, tensor in clap.named_parameters()}
    trainer = Trainer(
        clap, feeder, settings, stage="teacher", seed=SEED, machine=MACHINE, validate_every=3, fill=mean
    )  # fmt: skip
    with Checkpoint("teacher", settings.model_dump(), SEED) as checkpoint:
        history = trainer.run(checkpoint)

    losses = [row["loss"] for row in history.curve]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    moved = {key for key, tensor in clap.named_parameters() if not torch.equal(tensor, before[key])}
    fixed = {key for key, tensor in clap.named_parameters() if not tensor.requires_grad}  # no loss reaches them
    learned = set(before) - fixed
    assert learned - moved == set()
    assert moved <= learned
    parts = {key.partition(".")[0] for key in moved}
    assert {"audio", "text", "audio_head", "text_head"} <= parts
    assert ("pooling" in parts) == (clap.settings.audio.pooling == "tap")
    assert ("log_scale" in parts) == clap.settings.temperature.learned
    # The rates as they were logged step by step, part by part.
    course = (settings.warm_up, settings.cosine_until, settings.floor_rate)
    for step, row in enumerate(history.curve):
        for key, rate in row.items():
            if key.startswith("learning_rate_"):
                peak = rate_of(block, key.removeprefix("learning_rate_"))
                assert rate == learning_rate(peak, step, 3, *course)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_weight_has_the_rate_that_the_block_says(name, tmp_path):
    settings = valid(name, small(BLOCKS[name], tmp_path))
    clap = Clap.new(settings.model, ["a dog", "rain"])
    optimiser = build_optimiser(clap, settings, torch.device("cpu"))
    rates = {id(weight): group["peak"] for group in optimiser.param_groups for weight in group["params"]}
    for key, weight in clap.named_parameters():
        if weight.requires_grad:
            assert rates.pop(id(weight)) == rate_of(BLOCKS[name], part_of(key)), key
    assert rates == {}


@pytest.mark.parametrize("name", THESIS)
def test_the_course_of_the_thesis_rates(name, tmp_path):
    """20 epochs: one of rising rates, a cosine to the 15th, then five at 1e-7."""
    settings = valid(name)
    clips = 64
    steps = steps_of(settings, [source(clips, 5)])
    assert steps == 20 * clips * 5 // 16
    epoch = steps // 20
    clap = Clap.new(valid(name, small(BLOCKS[name], tmp_path)).model, ["a dog", "rain"])
    optimiser = build_optimiser(clap, settings, torch.device("cpu"))
    courses: dict[str, list[float]] = {}
    for step in range(steps):
        set_learning_rates(optimiser, step, steps, settings)
        for group in optimiser.param_groups:
            courses.setdefault(group["part"], [])[step:] = [group["lr"]]
    for part, course in courses.items():
        peak = rate_of(BLOCKS[name], part)
        rises, falls = np.diff(course[: epoch + 1]), np.diff(course[epoch : 15 * epoch + 1])
        assert (rises > 0).all()
        assert course[epoch] == max(course) == peak
        assert (falls < 0).all()
        assert course[8 * epoch] == pytest.approx((peak + 1e-7) / 2)  # halfway between the 1st and the 15th
        assert course[15 * epoch - 1] > 1e-7
        assert set(course[15 * epoch :]) == {1e-7}
