"""Typed sections: what is refused, and in which words."""

from __future__ import annotations

import numpy as np
import pytest
from ruamel.yaml import YAML

from clapline.audio.decode import flac_bytes
from clapline.errors import UserError
from clapline.params.base import read_params, read_section, read_seed, validated
from clapline.params.curate import Curate
from clapline.params.machine import Machine
from clapline.params.model import TextEncoder
from clapline.params.prepare import Prepare
from clapline.params.roles import Roles
from clapline.params.student import Student
from clapline.params.teacher import Teacher
from clapline.params.training import Training

ENTRY = {"dataset": "d"}
ROLES = {role: [ENTRY] for role in ("paired", "unpaired", "text", "retrieval")}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[("4e-06", 4e-6), ("1e-4", 1e-4), ("1.0e4", 1e4), ("-2.5E+3", -2500.0), ("1.e2", 100.0)],
        *[
            ("12", 12),
            ("0.5", 0.5),
            ("'1e-4'", "1e-4"),
            ("1e", "1e"),
            ("e5", "e5"),
            ("1e5f", "1e5f"),
            ("1.2.3e4", "1.2.3e4"),
        ],
        *[("3e-4 # a rate", 3e-4), ("[1e-5, x1e5]", [1e-5, "x1e5"])],
    ],
)
def test_numbers_are_read_as_dvc_reads_and_writes_them(tmp_path, written, value):
    """`dvc exp run -S rate=4.0e-6` writes `4e-06`, which YAML 1.1 takes for text."""
    path = tmp_path / "params.yaml"
    path.write_text(f"value: {written}\n")
    read = read_params(path)["value"]
    assert (read, type(read)) == (value, type(value))
    assert YAML(typ="safe").load(path.read_text())["value"] == value


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (Curate, {"sigma": 0.5}, r"curate.sigma is not a known setting\. Known here: strategy, sigma_audio_text"),
        (Curate, {"sigma_audio_txt": 0.5}, "did you mean 'sigma_audio_text'"),
        (Curate, {"sigma_audio_text": "7e-1"}, "in quotes"),
        (Curate, {"sigma_audio_text": float("nan")}, "finite"),
        (Curate, {"sigma_audio_text": 1.5}, "less than or equal to 1"),
        (Curate, {"strategy": "dus"}, "'du', 'ds', 'ads' or 'top_k'"),
        (Curate, {"prompt": "a sound"}, "label"),
        (Teacher, {"objective": {"contrastive": {"targets": "soft"}}}, "no teacher"),
        (Teacher, {"objective": {"contrastive": {"weight": 0.0}}}, "nothing to learn"),
        (Teacher, {"model": {"audio": {"channels": [8, 0]}}}, "greater than 0"),
        (Teacher, {"model": {"text": {"width": 10}}}, "multiple of attention_heads"),
        (Teacher, {"steps": 10.5}, "integer"),
        (Teacher, {"steps": True}, "integer"),
        (Teacher, {"alike_share": 0.5, "length_buckets": 4}, "leave one off"),
        (Student, {"sources": {"paired": 0.0}}, "at least one weight"),
        (Student, {"sources": {"paired": 0.0, "domain": 0.0}}, "at least one weight"),
        (Student, {"sources": {"domain": -1.0}}, "greater than or equal to 0"),
        (
            Student,
            {"sources": {"paired": 0.0, "curated": 1.0}, "epoch_of": "replay"},
            "epoch_of: replay counts the pairs of sources.paired and sources.domain",
        ),
        (Student, {"model": {}}, "leave model null"),
        (Teacher, {"model": {"features": {"mel_scale": "htk"}}}, "mel_scale htk is for kind clap: kind log_mel has"),
        (Teacher, {"model": {"features": {"kind": "clap", "mel_scale": "mel"}}}, "'slaney' or 'htk'"),
        (Roles, ROLES | {"paired": []}, "at least 1 item"),
        (Roles, ROLES | {"paired_share": 0.0}, "greater than 0"),
        (Roles, ROLES | {"paired_share": 25.0}, "less than or equal to 1"),
        (Roles, ROLES | {"text": [ENTRY | {"share": [0.5, 0.2]}]}, "from < to"),
        (Roles, ROLES | {"text": [ENTRY | {"shre": [0, 1]}]}, "did you mean 'share'"),
        (Roles, ROLES | {"text": [ENTRY | {"where": {"folds": [1]}}]}, "did you mean 'fold'"),
        (Prepare, {"sample_rate_hz": 70001}, "sample_rate_hz = 70001: FLAC holds rates up to 65535 Hz, and above that"),
        (Machine, {"device": "tpu"}, "'auto' or 'cpu'"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(section, values, message):
    name = section.__name__.lower()
    with pytest.raises(UserError, match=message) as error:
        validated(section, values, f"params.yaml: {name}")
    assert str(error.value).startswith(f"params.yaml: {name}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate_hz", [11025, 65535, 88200, 96000, 192000])
def test_rates_that_flac_holds(rate_hz):
    flac_bytes(np.zeros(100, np.float32), validated(Prepare, {"sample_rate_hz": rate_hz}, "prepare").sample_rate_hz)


def test_pretrained_text_needs_a_model():
    with pytest.raises(UserError, match="needs a model id"):
        validated(TextEncoder, {"kind": "pretrained"}, "text")


def test_files_that_are_missing_or_no_mapping(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a list\n")
    with pytest.raises(UserError, match="must hold sections"):
        read_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("seed: -1\n")
    with pytest.raises(UserError, match="seed = -1"):
        read_seed(tmp_path / "params.yaml")
    with pytest.raises(UserError, match="'curate' is missing"):
        read_section("curate", Curate, tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "sources", [{"curated": 1.0}, {"paired": 0.0, "domain": 1.0}, {"paired": 0.0, "curated": 0.5, "domain": 0.5}]
)
def test_published_mixtures_of_replay_and_curated_pairs_are_allowed(sources):
    assert Student.model_validate({"sources": sources, "epoch_of": "replay"}).sources.by_dataset is None


def test_epochs_stand_by_themselves():
    """The default of steps must not outweigh epochs that a user sets."""
    assert Training.model_validate({"epochs": 3.0}).steps is None
    assert Training.model_validate({}).steps == 1000
    for both in ({"epochs": 3.0, "steps": 10}, {"epochs": None, "steps": None}):
        with pytest.raises(ValueError, match="set steps or epochs"):
            Training.model_validate(both)
