"""All sections of params.yaml, and what must agree between them."""

from __future__ import annotations

import difflib
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
    "curate": Curate,
    "evaluate": Evaluate,
    "richness": Richness,
    "topics": Topics,
    "report": Report,
    "machine": Machine,
}
MIX = "mix"
EXCLUSION_KINDS = ("exclusions", "exclusions_file")
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
    _check_exclusions(checked["leakage"], values["datasets"], path)
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


def _check_exclusions(leakage: Leakage, datasets: Mapping[str, Any], path: Path | str) -> None:
    for name in leakage.exclusions:
        if name not in datasets:
            raise UserError(
                f"{path}: leakage.exclusions: {name!r} is no dataset; the datasets section names: {', '.join(datasets)}"
            )
        if datasets[name]["kind"] not in EXCLUSION_KINDS:
            raise UserError(
                f"{path}: leakage.exclusions: {name!r} is of kind {datasets[name]['kind']}, which lists nothing to "
                f"exclude; allowed: {', '.join(EXCLUSION_KINDS)}"
            )


def _check_training(checked: dict[str, Any], path: Path | str) -> None:
    teacher: Teacher = checked["teacher"]
    student: Student = checked["student"]
    rate = checked["prepare"].sample_rate_hz
    _check_model(teacher.model, rate, f"{path}: teacher.model.features")
    if student.model is not None:
        _check_model(student.model, rate, f"{path}: student.model.features")
        _check_same_features(teacher, student, path)
    _check_objectives(checked, path)
    _check_mixtures(checked, path)
    curate = checked["curate"]
    if curate.strategy != "du" and not checked["roles"].labels:
        raise UserError(f"{path}: curate.strategy = {curate.strategy!r} aims at labels, but roles.labels is empty")
    validates = any(entry.use == "val" for entry in checked["roles"].paired)
    sections: dict[str, Training] = {"teacher": teacher, "student": student}
    for name, section in sections.items():
        if section.choose == "best" and not validates:
            raise UserError(
                f"{path}: {name}.choose = 'best' needs an entry of roles.paired with use: val; or say 'last'"
            )
        model = student.model if name == "student" and student.model is not None else teacher.model
        crop_s, duration_s = section.augmentation.crop_s, model.features.duration_s
        if crop_s is not None and crop_s > duration_s:
            raise UserError(
                f"{path}: {name}.augmentation.crop_s = {crop_s} is longer than features.duration_s = {duration_s}"
            )


def _check_mixtures(checked: dict[str, Any], path: Path | str) -> None:
    student: Student = checked["student"]
    if not student.sources.mixed:
        return
    if not checked["mix"].clips:
        raise UserError(f"{path}: student.sources.mixed = {student.sources.mixed}, but mix.clips = 0: nothing is mixed")
    heard_s = (student.model or checked["teacher"].model).features.duration_s
    if checked["mix"].maximum_duration_s > heard_s:
        raise UserError(
            f"{path}: mix.maximum_duration_s = {checked['mix'].maximum_duration_s} is longer than the "
            f"features.duration_s = {heard_s} that the student hears: a sound that the caption tells would be cut off"
        )


def _check_same_features(teacher: Teacher, student: Student, path: Path | str) -> None:
    if student.model is not None and student.model.features != teacher.model.features:
        raise UserError(f"{path}: student.model.features must equal teacher.model.features: both hear the same clips")


def _check_objectives(checked: dict[str, Any], path: Path | str) -> None:
    teacher: Teacher = checked["teacher"]
    student: Student = checked["student"]
    views, written = student.objective.paraphrase, checked["paraphrase"].levels
    if views.weight and not set(views.levels) <= set(written):
        raise UserError(
            f"{path}: student.objective.paraphrase.levels = {views.levels}, but paraphrase.levels = {written} "
            "are all that is written"
        )
    towers = {"teacher": teacher.model.text, "student": (student.model or teacher.model).text}
    for name, objective in {"teacher": teacher.objective, "student": student.objective}.items():
        if objective.contrastive.ignore_similar_captions_above is not None and not towers[name].frozen:
            raise UserError(
                f"{path}: {name}.objective.contrastive.ignore_similar_captions_above compares captions by a frozen "
                "text tower; set model.text.frozen: true or null here"
            )


def _check_model(model: Model, rate_hz: int, where: str) -> None:
    features = model.features
    if features.sample_rate_hz != rate_hz:
        raise UserError(
            f"{where}.sample_rate_hz = {features.sample_rate_hz} must equal prepare.sample_rate_hz = {rate_hz}"
        )
    if features.duration_s * rate_hz < 2 * features.window_samples:
        raise UserError(f"{where}.duration_s = {features.duration_s} is shorter than two analysis windows")
    if not features.minimum_hz < features.maximum_hz <= rate_hz / 2:
        raise UserError(
            f"{where}: minimum_hz = {features.minimum_hz} and maximum_hz = {features.maximum_hz} must be in order "
            f"and no more than half the sample rate, {rate_hz / 2}"
        )
