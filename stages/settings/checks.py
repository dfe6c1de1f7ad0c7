"""All sections of params.yaml, and what must agree between them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from clapline.errors import UserError
from clapline.params.base import PARAMS_FILE, Section, read_params, read_seed, validated
from clapline.params.captions import Audit, Mix, Paraphrase, Rewrite, Stress, Synthesize
from clapline.params.curate import Curate
from clapline.params.datasets import read_dataset
from clapline.params.embed import Embed
from clapline.params.evaluate import Evaluate
from clapline.params.leakage import Leakage
from clapline.params.machine import Machine
from clapline.params.model import Model
from clapline.params.prepare import Prepare
from clapline.params.report import Report
from clapline.params.richness import Richness
from clapline.params.roles import EVALUATION_ROLES, TRAINING_ROLES, Entry, Roles
from clapline.params.student import Student
from clapline.params.teacher import Teacher
from clapline.params.topics import Topics
from clapline.params.training import Training

SECTIONS: dict[str, type[Section]] = {
    "roles": Roles,
    "prepare": Prepare,
    "leakage": Leakage,
    "rewrite": Rewrite,
    "paraphrase": Paraphrase,
    "synthesize": Synthesize,
    "stress": Stress,
    "mix": Mix,
    "audit": Audit,
    "teacher": Teacher,
    "student": Student,
    "embed": Embed,
    "curate": Curate,
    "evaluate": Evaluate,
    "richness": Richness,
    "topics": Topics,
    "report": Report,
    "machine": Machine,
}
MIX = "mix"
TEACHER = "models/teacher"
EXCLUSION_KINDS = ("exclusions", "exclusions_file")
JUDGEMENT_KINDS = ("dcase2025_relevance",)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def check_params(path: Path | str = PARAMS_FILE) -> int:
    """Return the number of sections. Raises UserError, in one line, at the first thing that is wrong."""
    values = read_params(path)
    _check_duplicates(path)
    known = ["datasets", *SECTIONS, "seed"]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise UserError(f"{path}: {name} is not a known section{hint} Known: {', '.join(known)}")
    for name in known:
        if name not in values:
            raise UserError(f"{path}: section {name!r} is missing")
    read_seed(path)
    datasets = _dataset_names(values["datasets"], path)
    checked = {name: validated(section, values[name], f"{path}: {name}") for name, section in SECTIONS.items()}
    _check_roles(checked["roles"], datasets, path)
    _check_lists(checked, values["datasets"], path)
    _check_training(checked, path)
    return len(known)


class _StrictLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; here the second is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise UserError(f"line {key_node.start_mark.line + 1}: key {key!r} stands there twice")
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep)


def _check_duplicates(path: Path | str) -> None:
    try:
        yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_StrictLoader)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _dataset_names(entries: Any, path: Path | str) -> list[str]:
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"{path}: datasets must name at least one dataset")
    for name in entries:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{path}: datasets: {name!r} is no name for a dataset, which names folders; "
                "allowed: letters, digits, _ and -"
            )
        if name == MIX:
            raise UserError(
                f"{path}: datasets: {MIX!r} is the name of the clips that the stage mix makes; take another"
            )
        read_dataset(name, path)
    return list(entries)


def _check_roles(roles: Roles, datasets: list[str], path: Path | str) -> None:
    for role in (*TRAINING_ROLES, "labels", *EVALUATION_ROLES):
        entries: list[Entry] = getattr(roles, role)
        for number, entry in enumerate(entries):
            if entry.dataset not in datasets:
                raise UserError(
                    f"{path}: roles.{role}.{number}.dataset = {entry.dataset!r} is no dataset; "
                    f"the datasets section names: {', '.join(datasets)}"
                )
    if all(entry.use != "train" for entry in roles.paired):
        raise UserError(f"{path}: roles.paired has no entry with use: train, so nothing would train")


def _check_lists(checked: dict[str, Any], datasets: Mapping[str, Any], path: Path | str) -> None:
    """Check the names of datasets that are lists of something rather than clips."""
    named = (
        ("leakage.exclusions", checked["leakage"].exclusions, EXCLUSION_KINDS, "lists nothing to exclude"),
        ("roles.judgements", checked["roles"].judgements, JUDGEMENT_KINDS, "holds no judgements"),
    )
    for where, names, kinds, lack in named:
        for name in names:
            if name not in datasets:
                raise UserError(
                    f"{path}: {where}: {name!r} is no dataset; the datasets section names: {', '.join(datasets)}"
                )
            if datasets[name]["kind"] not in kinds:
                raise UserError(
                    f"{path}: {where}: {name!r} is of kind {datasets[name]['kind']}, which {lack}; "
                    f"allowed: {', '.join(kinds)}"
                )


def _check_training(checked: dict[str, Any], path: Path | str) -> None:
    models = models_of(checked)
    rate = checked["prepare"].sample_rate_hz
    machine: Machine = checked["machine"]
    together = machine.processes * machine.nodes
    for name, section in _trained(checked).items():
        if together and section.batch_size % together:
            raise UserError(
                f"{path}: {name}.batch_size = {section.batch_size} cannot be shared by {together} processes "
                "(machine.processes · machine.nodes): make it a multiple"
            )
    for name, model in models.items():
        _check_local_names(name, model, path)
        if model.start is None:
            _check_model(model, rate, f"{path}: {name}.model.features")
    _check_objectives(checked, path)
    _check_curation(checked, path)
    _check_mixtures(checked, path)
    paired = checked["roles"].paired
    for name, section in _trained(checked).items():
        known = {entry.dataset for entry in paired if entry.use == "train"}
        for dataset in section.sources.by_dataset or {}:
            if dataset not in known:
                raise UserError(
                    f"{path}: {name}.sources.by_dataset names {dataset!r}, of which roles.paired trains nothing; "
                    f"it trains on: {', '.join(sorted(known))}"
                )
        chosen = section.sources.by_dataset
        learned = {entry.dataset for entry in paired} if chosen is None else {key for key in chosen if chosen[key]}
        if not learned:
            raise UserError(f"{path}: {name}.sources.by_dataset: every weight is 0")
        if section.choose == "best" and not any(e.use == "val" and e.dataset in learned for e in paired):
            among = "" if chosen is None else f" of {', '.join(sorted(learned))}"
            raise UserError(
                f"{path}: {name}.choose = 'best' needs an entry of roles.paired{among} with use: val; or say 'last'"
            )
        _check_inputs(name, section, models[name], path)
        crop_s, duration_s = section.augmentation.crop_s, models[name].features.duration_s
        if crop_s is not None and models[name].start is None and crop_s > duration_s:
            raise UserError(
                f"{path}: {name}.augmentation.crop_s = {crop_s} is longer than features.duration_s = {duration_s}"
            )
    if machine.nodes > 1 and machine.rendezvous is None:
        raise UserError(f"{path}: machine.nodes = {machine.nodes} needs machine.rendezvous, host:port of the first one")


def _check_inputs(name: str, section: Training, model: Model, path: Path | str) -> None:
    """Refuse changes of clips or captions that the model cannot be given; of a model to be loaded nothing is known."""
    changes = section.augmentation
    refused = {}
    if model.start is None:
        crops = changes.crop_s is not None
        refused = {
            "crop_s does not go with features.segment_s": crops and model.features.segments > 1,
            "crop_s would be stretched by audio.kind htsat, which hears a fixed length": (
                crops and model.audio.kind == "htsat"
            ),
            "mel_jitter needs features.kind passt": changes.mel_jitter and model.features.kind != "passt",
            "text_dropout makes new texts, of which a frozen text encoder has no state": (
                changes.text_dropout and model.text.frozen
            ),
            "a frozen audio encoder's states are stored and never augmented": (
                model.audio.frozen and (changes.of_features or changes.of_waveforms)
            ),
        }
    for reason, met in refused.items():
        if met:
            raise UserError(f"{path}: {name}.augmentation: {reason}")


def _check_local_names(name: str, model: Model, path: Path | str) -> None:
    """Refuse a path that is not there before captions are paid for; ids are looked up when they are needed."""
    named = {"start": model.start, "audio.weights": model.audio.weights, "text.model": model.text.model}
    for key, value in named.items():
        _check_local_name(f"{path}: {name}.model.{key}", value)


def _check_local_name(where: str, value: str | None) -> None:
    if value and value.startswith(("/", "./", "../", "~")) and not Path(value).expanduser().exists():
        raise UserError(f"{where} = {value!r}: no such file or folder")


def _trained(checked: dict[str, Any]) -> dict[str, Training]:
    return {name: checked[name] for name in ("teacher", "student")}


def models_of(checked: dict[str, Any]) -> dict[str, Model]:
    """Return the architecture of teacher and student by name; the student's may be the teacher's."""
    teacher: Model = checked["teacher"].model
    return {"teacher": teacher, "student": checked["student"].model or teacher}


def _check_curation(checked: dict[str, Any], path: Path | str) -> None:
    """Curation and soft targets compare clips by vectors, which text-aware pooling does not give."""
    curate, student, roles = checked["curate"], checked["student"], checked["roles"]
    if curate.strategy in ("ds", "ads") and not roles.labels:
        raise UserError(f"{path}: curate.strategy = {curate.strategy!r} aims at labels, but roles.labels is empty")
    if student.sources.curated and not roles.unpaired and curate.strategy != "ds":
        raise UserError(
            f"{path}: student.sources.curated = {student.sources.curated:g}, but roles.unpaired is empty: "
            "there is nothing to curate"
        )
    if student.sources.domain and curate.strategy not in ("ds", "ads"):
        raise UserError(
            f"{path}: student.sources.domain = {student.sources.domain:g}, but curate.strategy = {curate.strategy!r} "
            "keeps no original pair; allowed with ds or ads"
        )
    if student.sources.curated and student.sources.domain is not None and curate.strategy == "ds":
        raise UserError(
            f"{path}: student.sources.curated = {student.sources.curated:g}, but curate.strategy = 'ds' makes no new "
            "pair: its original ones are drawn by student.sources.domain; set curated to 0, or domain to null"
        )
    if models_of(checked)["teacher"].audio.pooling == "tap":
        for key, used in {
            "roles.unpaired": bool(roles.unpaired),
            "student.objective.contrastive.targets: soft": student.objective.contrastive.targets == "soft",
            "student.objective.distillation": (
                bool(student.objective.distillation.weight) and TEACHER in student.objective.distillation.teachers
            ),
        }.items():
            if used:
                raise UserError(
                    f"{path}: teacher.model.audio.pooling: tap gives clips no embeddings of their own, which {key} "
                    "needs; take pooling: mean, or leave that out"
                )


def _check_mixtures(checked: dict[str, Any], path: Path | str) -> None:
    student: Student = checked["student"]
    if not student.sources.mixed:
        return
    if not checked["mix"].clips:
        raise UserError(f"{path}: student.sources.mixed = {student.sources.mixed}, but mix.clips = 0: nothing is mixed")
    model = models_of(checked)["student"]
    heard_s = model.features.duration_s
    if model.start is None and checked["mix"].maximum_duration_s > heard_s:
        raise UserError(
            f"{path}: mix.maximum_duration_s = {checked['mix'].maximum_duration_s} is longer than the "
            f"features.duration_s = {heard_s} that the student hears: a sound that the caption tells would be cut off"
        )


def _check_objectives(checked: dict[str, Any], path: Path | str) -> None:
    student: Student = checked["student"]
    started = checked["teacher"].model.start
    if student.init == "scratch" and student.model is None and started is not None:
        raise UserError(
            f"{path}: student.init = 'scratch' with model: null takes the teacher's settings, but the teacher is "
            f"{started} as a whole, which is no settings: say student.model, or init: teacher"
        )
    views, written = student.objective.paraphrase, checked["paraphrase"].levels
    if not set(views.used) <= set(written):
        raise UserError(
            f"{path}: student.objective.paraphrase.levels = {views.levels}, but paraphrase.levels = {written} "
            "are all that is written"
        )
    for name, model in models_of(checked).items():
        _check_objective_of(checked, name, model, path)


def _check_objective_of(checked: dict[str, Any], name: str, model: Model, path: Path | str) -> None:
    """Refuse an objective that asks of its model what the settings say it has not."""
    section: Training = checked[name]
    chosen, contrastive, where = section.objective, section.objective.contrastive, f"{path}: {name}.objective"
    for teacher in chosen.distillation.teachers if chosen.distillation.weight else ():
        _check_local_name(f"{where}.distillation.teachers", teacher)
    _check_local_name(f"{where}.contrastive.relevance_model", contrastive.relevance_model)
    _check_local_name(f"{where}.clusters.embedding", chosen.clusters.embedding)
    if model.start is not None:
        return  # what a whole model has is known when it is there
    if contrastive.ignore_similar_captions_above is not None and not model.text.frozen:
        raise UserError(
            f"{where}.contrastive.ignore_similar_captions_above compares captions by a frozen text tower; set "
            "model.text.frozen: true or null here"
        )
    relevance = contrastive.weight and contrastive.targets == "relevance"
    if relevance and contrastive.relevance_model is None and not model.text.frozen:
        raise UserError(
            f"{where}.contrastive.targets: relevance compares captions by a sentence encoder: set relevance_model "
            "(all-MiniLM-L6-v2 is packaged), or model.text.frozen: true"
        )
    # Without a model of its own the student's is the teacher's, with all that the teacher's objective gave it.
    inherited: Training | None = checked["teacher"] if name == "student" and checked["student"].model is None else None
    biased = model.temperature.bias is not None or (inherited is not None and inherited.objective.pairwise)
    if chosen.pairwise and contrastive.initial_logits == "model" and not biased:
        raise UserError(
            f"{where}.contrastive.initial_logits: model needs model.temperature.bias, which is null; take batch (about "
            f"{-math.log(section.batch_size - 1):.1f} for this batch size), siglip or thesis"
        )
    gaussian = model.head.distribution == "gaussian" or section.gaussian_heads
    gaussian = gaussian or (inherited is not None and inherited.gaussian_heads)
    if chosen.of_gaussians and not gaussian:
        raise UserError(
            f"{where}: {', '.join(chosen.of_gaussians)} need Gaussian embeddings: set {name}.gaussian_heads: true, or "
            "model.head.distribution: gaussian"
        )
    if chosen.of_embeddings and model.audio.pooling == "tap":
        raise UserError(
            f"{where}: {', '.join(chosen.of_embeddings)} need an embedding of each clip, which audio.pooling: tap does "
            "not give; take pooling: mean"
        )
    if section.gaussian_heads and model.audio.pooling == "tap":
        raise UserError(f"{path}: {name}.gaussian_heads: audio.pooling: tap gives one point per caption, no Gaussian")
    if chosen.masks and (model.text.frozen or model.audio.frozen):
        raise UserError(
            f"{where}: hierarchy and repulsion hide words and sounds from encoders, which must not be frozen"
        )


def _check_model(model: Model, rate_hz: int, where: str) -> None:
    features = model.features
    if features.prepared_rate_hz != rate_hz:
        key = "sample_rate_hz" if features.resample_from_hz is None else "resample_from_hz"
        hint = ""
        if features.resample_from_hz is None:
            hint = f"; or resample_from_hz: {rate_hz} resamples every clip"
        raise UserError(
            f"{where}.{key} = {features.prepared_rate_hz} must equal prepare.sample_rate_hz = {rate_hz}{hint}"
        )
    if features.segment_samples < 2 * features.window_samples:
        raise UserError(f"{where}.duration_s = {features.duration_s} is shorter than two analysis windows")
