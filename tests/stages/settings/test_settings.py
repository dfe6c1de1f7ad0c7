"""Every bad setting gets one clear line and a non-zero exit; the door imports no torch."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clapline.errors import UserError
from stages.settings.checks import check_params

ROOT = Path(__file__).resolve().parents[3]

GOOD = {
    "datasets": {"sounds": {"kind": "folder", "path": "sounds"}, "words": {"kind": "captions_file", "path": "w.txt"}},
    "roles": {
        "paired": [
            {"dataset": "sounds", "share": [0.1, 1.0]},
            {"dataset": "sounds", "share": [0.0, 0.1], "use": "val"},
        ],
        "unpaired": [{"dataset": "sounds"}],
        "text": [{"dataset": "words"}],
        "retrieval": [{"dataset": "sounds"}],
    },
    **{
        name: {}
        for name in (
            "prepare", "leakage", "rewrite", "paraphrase", "synthesize", "stress", "mix", "audit", "teacher", "student",
            "curate", "embed", "evaluate", "richness", "topics", "report", "machine",
        )
    },
    "seed": 0,
}  # fmt: skip


def params(tmp_path, **changes):
    """Write GOOD with changes such as teacher__learning_rate=…; None as a value removes the key."""
    values = copy.deepcopy(GOOD)
    for name, value in changes.items():
        *parents, last = name.split("__")
        target = values
        for parent in parents:
            target = target[int(parent)] if parent.isdigit() else target.setdefault(parent, {})
        if value is None:
            del target[last]
        else:
            target[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_good_settings_pass(tmp_path):
    assert check_params(params(tmp_path)) == 20


def test_the_repositorys_own_settings_pass():
    for path in [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]:
        if path.is_file():
            assert check_params(path) == 20


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"studnet": {}}, ["studnet is not a known section", "did you mean 'student'?"]),
        ({"zzzqqq": {}}, ["zzzqqq is not a known section. Known: datasets, "]),
        ({"curate": None}, ["section 'curate' is missing"]),
        ({"leakage__exclusions": ["listed"]}, ["leakage.exclusions: 'listed' is no dataset", "sounds, words"]),
        ({"leakage__exclusions": ["words"]}, ["'words' is of kind captions_file", "exclusions_file"]),
        ({"roles__judgements": ["listed"]}, ["roles.judgements: 'listed' is no dataset", "sounds, words"]),
        ({"roles__judgements": ["words"]}, ["'words' is of kind captions_file", "dcase2025_relevance"]),
        ({"evaluate__protocol": "coco"}, ["evaluate.protocol = 'coco'", "'dcase'", "'prolap'"]),
        ({"evaluate__prompts": ["a sound"]}, ["'a sound' has no {label} and is no template", "laion"]),
        ({"evaluate__ensembles": {"student": ["teacher"]}}, ["'student' is the name of a model of the run"]),
        ({"teacher__learning_rte": 0.1}, ["teacher.learning_rte is not a known setting", "'learning_rates'"]),
        ({"teacher__learning_rates": {"audio": "0.1"}}, ["teacher.learning_rates.audio = '0.1'", "a number is text"]),
        ({"teacher__steps": 10.5}, ["teacher.steps = 10.5", "integer"]),
        ({"curate__sigma_audio_text": 1.5}, ["curate.sigma_audio_text = 1.5", "less than or equal to 1"]),
        ({"curate__sigma_text_text": -2.0}, ["curate.sigma_text_text = -2.0", "greater than or equal to -1"]),
        ({"datasets__sounds__kind": "foldr"}, ["datasets.sounds.kind", "unknown kind", "'foldr'", "folder"]),
        ({"datasets__sounds__pth": "x"}, ["datasets.sounds.pth is not a known setting", "'path'"]),
        ({"datasets__sounds": "folder"}, ["datasets.sounds needs a kind"]),
        ({"datasets": {}}, ["datasets must name at least one"]),
        ({"datasets__a b": {"kind": "folder", "path": "x"}}, ["'a b' is no name for a dataset"]),
        ({"roles__unpaired__0__dataset": "sonds"}, ["roles.unpaired.0.dataset = 'sonds'", "names: sounds, words"]),
        ({"roles__unpaired": [], "student__sources": {"curated": 1.0}}, ["roles.unpaired is empty", "curated = 1"]),
        ({"student__sources": {"domain": 0.5}}, ["sources.domain = 0.5", "'du' keeps no original pair"]),
        (
            {
                "student__sources": {"curated": 1.0, "domain": 0.5},
                "curate__strategy": "ds",
                "roles__labels": [{"dataset": "sounds"}],
            },
            ["sources.curated = 1", "'ds' makes no new pair"],
        ),
        ({"curate__strategy": "ads"}, ["'ads' aims at labels, but roles.labels is empty"]),
        ({"curate__calibration": "csls"}, ["set quantile_audio_text"]),
        ({"roles__text": []}, ["roles.text", "at least 1 item"]),
        ({"roles__text": None}, ["roles.text is missing"]),
        ({"roles__paired__0__share": [0.5, 0.2]}, ["roles.paired.0", "share [0.5, 0.2] must be"]),
        ({"roles__paired__0__use": "val"}, ["no entry with use: train"]),
        ({"roles__paired": [{"dataset": "sounds"}]}, ["teacher.choose = 'best' needs an entry", "use: val"]),
        ({"prepare__sample_rate_hz": 32000}, ["sample_rate_hz = 16000 must equal prepare.sample_rate_hz = 32000"]),
        ({"teacher__model__features__maximum_hz": 9000.0}, ["teacher.model.features", "maximum_hz 9000 is above half"]),
        ({"teacher__model": {"audio": {"kind": "htsat"}}}, ["teacher.model", "htsat needs features.kind clap"]),
        ({"teacher__model": {"start": "x", "text": {}}}, ["teacher.model", "leave out text"]),
        (
            {"teacher__model": {"features": {"kind": "passt"}, "audio": {"kind": "passt"}}},
            ["sample_rate_hz = 32000 must equal prepare.sample_rate_hz = 16000", "resample_from_hz: 16000"],
        ),
        ({"teacher__model": {"audio": {"pooling": "tap"}}}, ["pooling: tap", "roles.unpaired needs"]),
        ({"teacher__epochs": 2.0, "teacher__steps": 5}, ["set steps or epochs"]),
        ({"teacher__augmentation": {"mixing": 0.5}}, ["teacher", "needs inputs: streamed"]),
        (
            {"teacher__objective": {"contrastive": {"form": "sigmoid", "initial_logits": "model"}}},
            ["teacher.objective.contrastive.initial_logits", "temperature.bias", "-4.1"],
        ),
        (
            {"teacher__objective": {"hierarchy": {"weight": 1.0}, "bottleneck": {"weight": 1.0}}},
            ["teacher.objective: hierarchy, bottleneck need Gaussian", "teacher.gaussian_heads: true"],
        ),
        ({"student__objective": {"contrastive": {"form": "probabilistic"}}}, ["contrastive.form probabilistic need"]),
        (
            {"student__objective": {"contrastive": {"targets": "relevance"}}},
            ["student.objective.contrastive.targets: relevance", "set relevance_model"],
        ),
        ({"teacher__objective": {"distillation": {"weight": 1.0}}}, ["the teacher has no teacher", "distillation"]),
        ({"student__objective": {"contrastive": {"form": "triplet_max", "targets": "soft"}}}, ["targets must be hard"]),
        (
            {"student__objective": {"contrastive": {"form": "sigmoid", "targets": "soft"}}},
            ["form sigmoid judges pairs one by one", "soft must be raw"],
        ),
        (
            {"student__objective": {"paraphrase": {"weight": 1.0, "level_weights": [1.0]}}},
            ["student.objective.paraphrase", "level_weights must name 2 weights"],
        ),
        (
            {"student__objective": {"repulsion": {"weight": 1.0}}},
            ["repulsion takes scale and bias of pairs", "probabilistic or sigmoid"],
        ),
        (
            {"student__objective": {"distillation": {"weight": 1.0, "teachers": ["./nope"]}}},
            ["student.objective.distillation.teachers = './nope'", "no such file or folder"],
        ),
        ({"student__objective": {"hierarchy": {"hidden": [0.5] * 5}}}, ["hidden names 5 shares", "3 masks at most"]),
        ({"student__gaussian_heads": True}, ["gaussian_heads: no part of the objective is of Gaussians"]),
        (
            {
                "student__gaussian_heads": True,
                "student__batch_size": 8,
                "student__objective": {"contrastive": {"form": "probabilistic"}, "repulsion": {"weight": 1.0}},
            },
            ["objective.repulsion is between two masked inputs", "0.125 of batch_size 8 masks one"],
        ),
        ({"teacher__sources": {"by_dataset": {"clotho": 1.0}}}, ["'clotho'", "it trains on: "]),
        ({"teacher__sources": {"by_dataset": {"sounds": 0.0}}}, ["every weight is 0"]),
        ({"teacher__model": {"features": {"segment_s": 2.5}}, "teacher__augmentation": {"crop_s": 1.0}}, ["segment_s"]),
        ({"teacher__augmentation": {"mel_jitter": True}, "teacher__inputs": "streamed"}, ["features.kind passt"]),
        (
            {
                "teacher__model": {"audio": {"kind": "vision", "weights": "x", "frozen": True}},
                "teacher__augmentation": {"gain": 1.0},
            },
            ["teacher.augmentation: a frozen audio encoder"],
        ),
        ({"teacher__model": {"start": "x"}, "student__init": "scratch"}, ["'scratch'", "the teacher is x"]),
        ({"teacher__model": {"start": "/nowhere/x"}}, ["teacher.model.start = '/nowhere/x': no such file or folder"]),
        ({"teacher__sources": {"by_dataset": {"sounds": -1.0}}}, ["teacher.sources.by_dataset.sounds = -1.0"]),
        ({"machine__processes": 7}, ["batch_size = 64 cannot be shared by 7 processes"]),
        ({"teacher__model": {"audio": {"states": "segment"}}}, ["kind cnn has no summary"]),
        ({"teacher__model": {"audio": {"patch_stride": [8, 8]}}}, ["patch_stride is for"]),
        ({"teacher__model": {"audio": {"architecture": "resnet"}}}, ["architecture is for kind vision"]),
        ({"teacher__model": {"text": {"model": "gpt2"}}}, ["model needs kind: pretrained"]),
        ({"teacher__model": {"temperature": {"initial": 0.005}}}, ["a scale of 200, above maximum_scale"]),
        (
            {"student__objective": {"contrastive": {"weight": 0.0}, "paraphrase": {"weight": 1.0, "pairs": "text"}}},
            ["teaches the audio encoder nothing"],
        ),
        ({"machine__nodes": 2}, ["machine.nodes = 2 needs machine.rendezvous"]),
        ({"teacher__augmentation__crop_s": 7.5}, ["teacher.augmentation.crop_s = 7.5", "duration_s = 5.0"]),
        ({"stress": {"model": "m", "languages": ["de", "en"]}}, ["stress", "en is what the captions are written in"]),
        ({"synthesize": {"model": "m", "languages": ["en"]}}, ["synthesize", "en is what the captions are written in"]),
        ({"stress": {"languages": ["de"]}}, ["stress", "the builtin model writes English only"]),
        ({"stress__similarity": {"level_1": 0.5}}, ["stress.similarity.level_1 is not a known setting"]),
        ({"synthesize__similarity": {"level_1": None}}, ["synthesize.similarity.level_1 is not a known setting"]),
        ({"seed": -1}, ["seed = -1"]),
        ({"seed": True}, ["seed = True"]),
        ({"machine__workers": "two"}, ["machine.workers = 'two'"]),
    ],
)  # fmt: skip
def test_bad_settings_are_named(tmp_path, changes, words):
    with pytest.raises(UserError) as caught:
        check_params(params(tmp_path, **changes))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_there_twice_is_named(tmp_path):
    path = params(tmp_path)
    path.write_text(path.read_text() + "seed: 1\n")
    with pytest.raises(UserError, match="key 'seed' stands there twice"):
        check_params(path)


def run(folder, *arguments, **environment):
    variables = {name: value for name, value in os.environ.items() if name != "CLAPLINE_MIRROR"}
    variables |= {"PYTHONPATH": str(ROOT), "CLAPLINE_HOME": str(folder / "home"), **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_the_door(tmp_path):
    params(tmp_path)
    done = run(tmp_path, "-m", "stages.settings")
    assert (done.returncode, done.stdout, done.stderr) == (0, "settings: 20 sections are valid\n", "")
    params(tmp_path, student__learning_rates={"audio": "0.3"})
    failed = run(tmp_path, "-m", "stages.settings")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("error: params.yaml: student.learning_rates.audio = '0.3'")
    (tmp_path / "params.yaml").write_text("seed: [0\n")
    broken = run(tmp_path, "-m", "stages.settings")
    assert (broken.returncode, broken.stderr.count("\n")) == (2, 1)
    (tmp_path / "params.yaml").unlink()
    missing = run(tmp_path, "-m", "stages.settings")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "door", ["stages.settings", "stages.download", "stages.prepare", "stages.prepare.catalogue"]
)  # fmt: skip
def test_doors_are_light(tmp_path, door):
    module = door if door.endswith("catalogue") else f"{door}.__main__"
    code = (
        f"import sys, {module}; print(*sorted({{'torch', 'transformers', 'matplotlib', 'scipy'}} & set(sys.modules)))"
    )
    done = run(tmp_path, "-c", code)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
