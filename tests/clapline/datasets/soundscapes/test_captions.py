"""Captions tell what is there: every event by its own words, in the order of the onsets, in many words and forms."""

import re
from collections import Counter

import numpy as np
import pytest

from clapline.datasets.soundscapes.grammar import TEMPLATES, caption_tree, captions
from clapline.datasets.soundscapes.lexicon import CONNECTIVES, LEXICON, SETTINGS, TRAITS, class_phrase, mention
from clapline.datasets.soundscapes.scene import RELATIONS, plan
from clapline.datasets.soundscapes.taxonomy import CLASSES, FAMILY_PHRASES, PLACES

FUNCTION = (
    "a an the of to in on at with up by and for over past s its out down into through from goes going along while"
)


def words_of(text):
    return re.findall(r"[a-zé]+(?:-[a-z]+)*", text.lower())


@pytest.fixture(scope="module")
def told():
    """Captioned scenes: (scene, traits, captions, tree)."""
    made = []
    for index in range(400):
        scene = plan(5, "train", index, 4.0)
        rng = np.random.default_rng(index)
        traits = tuple((*event.traits(), "fast") if index % 2 else event.traits() for event in scene.events)
        full = captions(scene, traits, rng)
        made.append((scene, traits, full, caption_tree(scene, full, rng)))
    return made


def test_five_different_captions_that_mention_every_event(told):
    for scene, _, full, _ in told:
        assert len(full) == len(set(full)) == 5
        for caption in full:
            assert re.fullmatch(r"[A-Z][^.{}]*\.", caption)
            assert "  " not in caption
            for event in scene.events:
                assert mention(caption, event.sound) >= 0, (caption, event.sound)


def test_a_caption_mentions_nothing_that_is_not_there(told):
    for scene, _, full, _ in told:
        heard = {event.sound for event in scene.events}
        for caption in full:
            assert {sound for sound in CLASSES if mention(caption, sound) >= 0} == heard, caption


def test_order_words_agree_with_the_onsets(told):
    checked = Counter()
    for scene, _, full, _ in told:
        if scene.relation not in ("then", "then then"):
            continue
        for caption in full:
            pairs = zip(scene.events, scene.events[1:], strict=False)
            for earlier, later in pairs:
                at, then = mention(caption, earlier.sound), mention(caption, later.sound)
                first, second = min(at, then), max(at, then)
                turned = bool(re.search(r"\bafter\b", caption[first:second])) or bool(
                    re.search(r"\bbefore\b", caption[:first], re.IGNORECASE) and scene.relation == "then"
                )
                assert (at > then) == turned, caption
                checked[turned] += 1
    assert checked[False] > 100
    assert checked[True] > 50


def test_overlapping_events_are_told_as_such(told):
    cues = re.compile(r"\b(while|as|together with|at the same time|at once|mixed with|alongside)\b", re.IGNORECASE)
    for scene, _, full, _ in told:
        for caption in full:
            assert bool(cues.search(caption)) == (scene.relation in ("while", "pair then", "then pair")), caption


def test_adjectives_are_true(told):
    used = Counter()
    for _, traits, full, _ in told:
        present = {trait for event in traits for trait in event}
        for caption in full:
            for trait in ("loud", "distant", "fast", "slow"):
                for adverb in TRAITS[trait].adverbs:
                    if re.search(rf"\b{adverb}\b", caption):
                        assert trait in present, caption
                        used[trait] += 1
    assert all(used[trait] for trait in ("loud", "distant", "fast"))
    assert not used["slow"]


def test_words_and_structures_vary(told):
    full = [caption for _, _, five, _ in told for caption in five]
    assert len(set(full)) > 0.93 * len(full)
    assert len({word for caption in full for word in words_of(caption)}) > 400
    assert len({caption.split()[0] for caption in full}) > 25
    lengths = [len(caption.split()) for caption in full]
    assert min(lengths) <= 3
    assert 8 < np.mean(lengths) < 16


def test_tree_goes_from_family_to_a_full_caption(told):
    for scene, _, full, tree in told:
        sound = scene.events[0].sound
        assert len(tree) == 4
        assert tree[0].rstrip(".").lower() == FAMILY_PHRASES[PLACES[sound][0]]
        assert tree[2].rstrip(".").lower() == class_phrase(sound).lower()
        assert tree[3] in full


def test_every_relation_has_templates_and_occurs(told):
    assert set(TEMPLATES) == set(RELATIONS) == {scene.relation for scene, *_ in told}
    assert all(len(set(templates)) >= 5 for templates in TEMPLATES.values())


def test_no_phrase_belongs_to_two_classes():
    owners = Counter()
    for words in LEXICON.values():
        owners.update({f"{subject} {form}" for subject in words.subjects for verb in words.verbs for form in verb})
        owners.update(set(words.nominals))
    assert [phrase for phrase, count in owners.items() if count > 1] == []


def test_lexicon_covers_every_class():
    assert set(LEXICON) == set(CLASSES)
    for sound, words in LEXICON.items():
        assert len(words.subjects) * len(words.verbs) + len(words.nominals) >= 6, sound
        assert all(len(verb) == 2 for verb in words.verbs)
        # A zero-shot prompt names the class: captions must have taught every word of it.
        verbs = [form for verb in words.verbs for form in verb]
        assert set(words_of(sound)) <= set(words_of(" ".join([*words.subjects, *verbs, *words.nominals]))), sound


def reserve_words(half):
    found = set()
    for words in LEXICON.values():
        reserve = getattr(words, half)
        found.update(words_of(" ".join([reserve.subject, *reserve.verb, reserve.nominal])))
    for trait in TRAITS.values():
        found.update(words_of(" ".join(getattr(trait, half))))
    return found - set(FUNCTION.split())


def test_test_reserve_shares_almost_no_content_word_with_what_training_may_see():
    published = set()
    for words in LEXICON.values():
        published.update(words_of(" ".join([*words.subjects, *(form for verb in words.verbs for form in verb)])))
        published.update(words_of(" ".join(words.nominals)))
    for trait in TRAITS.values():
        published.update(words_of(" ".join([*trait.adjectives, *trait.adverbs])))
    for places, noises in SETTINGS.values():
        published.update(words_of(" ".join([*places, *noises])))
    seen = published | reserve_words("train")
    asked = reserve_words("test")
    assert len(asked) > 150
    assert len(asked & seen) / len(asked) < 0.05, sorted(asked & seen)
    assert len(reserve_words("train") & published) / len(reserve_words("train")) < 0.10
    assert all(train != test for train, test in CONNECTIVES.values())
