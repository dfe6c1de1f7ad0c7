from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from clapline.errors import UserError
from clapline.params.model import Model
from clapline.params.student import Student
from stages.train.batch import Batch
from stages.train.clip_inputs import StreamedWaveforms
from stages.train.data import Known, Source, TeacherView, TrainingData
from stages.train.feeder import Feeder, without_words
from tests.stages.train.conftest import MODEL, NAMES, clips_of, words_of, written_clips

PARAPHRASED = {"objective": {"paraphrase": {"weight": 1.0}}}
TAGGED = MODEL.model_copy(update={"metadata": Model.model_validate({"metadata": {"use": "tags"}}).metadata})


def feeder(data: TrainingData, changes: dict | None = None, model: Model = MODEL, **more) -> Feeder:
    settings = Student.model_validate({"steps": 12, "batch_size": 8, **(changes or {})})
    words = more.pop("words", None) or words_of(data.texts())
    return Feeder(data, settings, model, words, **{"seed": 0, "stage": "student", **more})


def flat(batch: Batch) -> dict[str, torch.Tensor]:
    """Return every tensor of a batch by name."""
    found = {f"text.{name}": tensor for name, tensor in batch.text.items()}
    found |= {f"tags.{name}": tensor for name, tensor in (batch.audio.tags or {}).items()}
    for part in (batch, batch.audio, batch.positives):
        values = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
        found |= {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        found |= {name: torch.tensor(value) for name, value in values.items() if isinstance(value, int | float)}
    return found


def same(one: Batch, other: Batch) -> bool:
    first, second = flat(one), flat(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def captions_of(batch: Batch, words: object) -> list[str]:
    rows = [ids[mask.bool()].tolist() for ids, mask in zip(*batch.text.values(), strict=True)]
    return [words.tokens.tokenizer.decode(ids) for ids in rows]


@pytest.fixture
def rich(toy) -> TrainingData:
    """The toy world with paraphrases of two levels and tags of some clips."""
    data = toy[0]
    paraphrases = {level: {text: [f"{text} {level}"] for text in data.texts()[level:]} for level in (1, 2)}
    tags = [[NAMES[row % 8]] if row % 3 else [] for row in range(32)]
    return dataclasses.replace(data, paraphrases=paraphrases, tags=tags)


def test_a_batch_is_what_was_drawn(rich: TrainingData):
    words = words_of(rich.texts())
    fed = feeder(rich, PARAPHRASED, words=words)
    drawn = fed.sampler.draw(5)
    batch = fed[5]
    assert (len(fed), batch.step, batch.pairs, batch.views, len(batch.audio), batch.first) == (12, 5, 8, 3, 8, 0)
    assert torch.equal(batch.audio.features, rich.clips.features[drawn.clips])
    texts = [*drawn.captions, *drawn.paraphrases[1], *drawn.paraphrases[2]]
    assert captions_of(batch, words) == texts
    assert torch.equal(batch.text["input_ids"], words.collate(words.tokenise(texts))["input_ids"])
    assert torch.equal(batch.positives.matrix(), fed.positives.of(drawn).matrix())
    assert batch.teacher_audio is batch.teacher_text is batch.caption_states is batch.masked is None


def test_a_batch_depends_on_its_number_alone(rich: TrainingData):
    changes = {**PARAPHRASED, "augmentation": {"text_dropout": 0.3}}
    one, other = (feeder(rich, changes, TAGGED) for _ in range(2))
    forwards = [one[m] for m in range(12)]
    backwards = [other[m] for m in reversed(range(12))][::-1]
    assert all(same(first, second) for first, second in zip(forwards, backwards, strict=True))
    assert all(same(first, feeder(rich, changes, TAGGED)[m]) for m, first in enumerate(forwards) if m in (0, 7))
    assert not same(forwards[0], feeder(rich, changes, TAGGED, seed=1)[0])


def test_behind_the_last_there_is_none(rich: TrainingData):
    fed = feeder(rich, {"steps": 3, "accumulation": 4})
    assert len(fed) == 12
    assert len(list(fed)) == 12
    with pytest.raises(IndexError):
        fed[12]


@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_the_processes_are_the_whole_batch(rich: TrainingData, world: int):
    changes = {**PARAPHRASED, "augmentation": {"text_dropout": 0.3}, "objective": {"contrastive": {"targets": "soft"}}}
    changes["objective"] |= PARAPHRASED["objective"]
    view = teacher_of(rich)
    words = words_of(rich.texts())
    whole = feeder(rich, changes, TAGGED, known=Known(teacher=view), words=words)[3]
    parts = [
        feeder(rich, changes, TAGGED, known=Known(teacher=view), words=words, rank=rank, world=world)[3]
        for rank in range(world)
    ]
    assert [part.first for part in parts] == [rank * 8 // world for rank in range(world)]
    for name in ("features", "valid", "has_tags"):
        assert torch.equal(torch.cat([getattr(part.audio, name) for part in parts]), getattr(whole.audio, name))
    texts = [np.array(captions_of(part, words)).reshape(3, -1) for part in parts]
    assert np.concatenate(texts, axis=1).ravel().tolist() == captions_of(whole, words)
    for part in parts:
        assert torch.equal(part.positives.matrix(), whole.positives.matrix())
        for name in ("teacher_audio", "teacher_text"):
            assert torch.equal(getattr(part, name), getattr(whole, name))


def test_a_batch_that_cannot_be_shared_is_refused(rich: TrainingData):
    with pytest.raises(UserError, match="batch_size 8 cannot be shared among 3"):
        feeder(rich, world=3)


def teacher_of(data: TrainingData) -> TeacherView:
    texts = data.texts()
    random = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(len(texts), 6, generator=random), dim=-1)
    return TeacherView(torch.randn(len(data.clips), 6, generator=random), dict(zip(texts, text, strict=True)))


def test_the_teacher_sees_the_clips_and_captions_of_the_batch(rich: TrainingData):
    view = teacher_of(rich)
    fed = feeder(rich, {"objective": {"contrastive": {"targets": "soft"}}}, known=Known(teacher=view))
    drawn, batch = fed.sampler.draw(2), fed[2]
    assert torch.equal(batch.teacher_audio, view.audio[drawn.clips])
    assert torch.equal(batch.teacher_text, torch.stack([view.text[caption] for caption in drawn.captions]))
    assert feeder(rich, known=Known(teacher=view))[2].teacher_audio is None  # hard targets need none


class FrozenWords:
    """A frozen text encoder as a feeder knows it: rows of a table of states."""

    def __init__(self) -> None:
        self.table = torch.zeros(0, 4)

    def tokenise(self, captions: list[str]) -> list[list[int]]:
        self.table = torch.nn.functional.normalize(torch.randn(len(captions), 4), dim=-1)
        return [[row] for row in range(len(captions))]

    def collate(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        return {"states": self.table[[row for (row,) in rows]]}


FROZEN = Model.model_validate({"text": {"kind": "pretrained", "model": "any", "frozen": True}})
SIMILAR = {"objective": {"contrastive": {"ignore_similar_captions_above": 0.7}}}


def test_similar_captions_are_found_by_a_frozen_text_tower(rich: TrainingData):
    fed = feeder(rich, SIMILAR, FROZEN, words=FrozenWords())
    batch = fed[1]
    assert torch.equal(batch.caption_states, batch.text["states"])
    rank = feeder(rich, SIMILAR, FROZEN, words=FrozenWords(), rank=1, world=2)[1]
    assert rank.caption_states.shape == (8, 4)
    with pytest.raises(UserError, match="frozen"):
        feeder(rich, SIMILAR)


def test_words_are_dropped_and_never_all_of_them(rich: TrainingData):
    words = words_of(rich.texts())
    drawn = feeder(rich, words=words).sampler.draw(0).captions
    plain = captions_of(feeder(rich, {"augmentation": {"text_dropout": 0.5}}, words=words)[0], words)
    assert plain != drawn
    for made, whole in zip(plain, drawn, strict=True):
        assert made
        rest = iter(whole.split())
        assert all(word in rest for word in made.split())  # in their order
    random = np.random.default_rng(0)
    assert {without_words("a b c", 0.99, random) for _ in range(60)} == {"a", "b", "c"}
    kept = [len(without_words("a b c d e f g h", 0.25, random).split()) for _ in range(400)]
    assert np.mean(kept) == pytest.approx(6.0, abs=0.2)
    assert without_words("", 0.5, random) == ""
    with pytest.raises(UserError, match="text_dropout"):
        feeder(rich, {"augmentation": {"text_dropout": 0.5}}, FROZEN, words=FrozenWords())


def test_tags_are_hidden_from_a_share_of_the_clips(rich: TrainingData):
    words = words_of([*rich.texts(), *NAMES])
    fed = feeder(rich, {"steps": 100}, TAGGED, words=words)
    shown = tagged = 0
    for m in range(100):
        batch, drawn = fed[m], fed.sampler.draw(m)
        rows = [ids[mask.bool()].tolist() for ids, mask in zip(*batch.audio.tags.values(), strict=True)]
        for row, ids, seen in zip(drawn.clips, rows, batch.audio.has_tags.tolist(), strict=True):
            expected = rich.tags[row][0] if seen else ""
            assert words.tokens.tokenizer.decode(ids) == expected
            assert rich.tags[row] or not seen
            shown, tagged = shown + seen, tagged + bool(rich.tags[row])
    assert 1 - shown / tagged == pytest.approx(TAGGED.metadata.absent, abs=0.06)
    assert feeder(rich)[0].audio.tags is None


def test_a_batch_moves_as_a_whole(rich: TrainingData):
    view = teacher_of(rich)
    soft = {"objective": {"contrastive": {"targets": "soft"}}}
    moved = feeder(rich, soft, TAGGED, known=Known(teacher=view))[0].to("meta")
    assert {tensor.device.type for name, tensor in flat(moved).items() if tensor.ndim} == {"meta"}
    assert (moved.step, moved.pairs, moved.views) == (0, 8, 1)


def test_a_feeder_holds_no_more_than_its_data(toy):
    data = toy[0]
    assert len(pickle.dumps(feeder(data))) < 2 * len(pickle.dumps(data)) + 50_000


def test_processes_that_read_ahead_give_the_same_batches(tmp_path: Path):
    random = np.random.default_rng(0)
    clips = written_clips(tmp_path, [random.normal(0, 0.1, 4000).clip(-1, 1) for _ in range(8)])
    changes = {"mixing": 0.5, "text_dropout": 0.2, "effects": {"gaussian_noise": 0.5}}
    settings = {"steps": 6, "batch_size": 4, "inputs": "streamed", "augmentation": changes}
    captions = [[f"a {name}", f"the sound of a {name}"] for name in NAMES]
    source = Source("paired", 1.0, list(range(8)), captions, [[("toy", str(row))] * 2 for row in range(8)])
    heard = StreamedWaveforms(clips, MODEL.features, Student.model_validate(settings).augmentation, 0, "student")
    fed = feeder(TrainingData(heard, [source]), settings)
    expected = [fed[m] for m in range(2, 6)]
    loader = DataLoader(fed, batch_size=None, sampler=range(2, 6), num_workers=2, multiprocessing_context="forkserver")
    assert all(same(one, other) for one, other in zip(loader, expected, strict=True))


def test_clips_without_texts_need_no_tags():
    source = Source("paired", 1.0, [0, 1], [["a dog"], ["rain"]], [[("d", "0")], [("d", "1")]])
    batch = feeder(TrainingData(clips_of(2), [source]), {"batch_size": 2}, TAGGED)[0]
    assert not batch.audio.has_tags.any()
    assert len(batch.audio.tags["input_ids"]) == 2
