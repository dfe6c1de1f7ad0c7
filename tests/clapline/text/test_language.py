from __future__ import annotations

import csv
from pathlib import Path

import pytest

from clapline.text.language import foreign, other_language

MIRROR = Path(__file__).resolve().parents[3] / "../shared/mirror"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Ein Hund bellt, während Regen auf das Dach fällt.", "German"),
        ("Hunde bellen laut in der Ferne", "German"),
        ("Vögel zwitschern im Wald", "German"),
        ("Un chien aboie pendant que la pluie tombe sur le toit.", "French"),
        ("Une femme parle puis une porte claque", "French"),
        ("De l'eau coule dans un grand récipient", "French"),
        ("Un perro ladra mientras llueve sobre el tejado.", "Spanish"),
        ("Los pájaros cantan en el bosque", "Spanish"),
        ("Un cane abbaia mentre la pioggia cade sul tetto", "Italian"),
        ("Um cão ladra enquanto a chuva cai", "Portuguese"),
        ("Een hond blaft terwijl het regent", "Dutch"),
        ("En hund skäller medan regnet faller", "Swedish"),
        ("Koira haukkuu kun sade ropisee katolla", "Finnish"),
        ("Pies szczeka, gdy pada deszcz", "Polish"),
        ("一只狗在雨中叫", "CJK"),
        ("犬が吠えている", "letters of"),
        ("개가 짖고 있다", "HANGUL"),
        ("Собака лает, пока идёт дождь.", "CYRILLIC"),
        ("Ο σκύλος γαβγίζει", "GREEK"),
        ("كلب ينبح", "ARABIC"),
    ],
)
def test_other_languages_are_seen(text: str, seen: str) -> None:
    assert seen in (foreign(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123 ?!",
        "Rain",
        "Dog bark",
        "Dogs bark loudly",
        "El Camino engine revving",
        "Le Mans race cars pass",
        "Jalapeño café crowd murmur",
        "Naïve melody on a saxophone",
        "Voilà, says a man, and a dog barks",
        "A man says “guten Tag” and the crowd laughs",
        "A piano plays la la la",
        "A man in his van speaks on a radio",
    ],
)
def test_short_english_and_borrowed_words_pass(text: str) -> None:
    assert foreign(text) is None


@pytest.mark.parametrize(
    ("text", "code", "seen"),
    [
        ("Un perro ladra mientras llueve", "de", "Spanish"),
        ("Un chien aboie dans la rue", "it", "French"),
        ("Um cão ladra enquanto a chuva cai", "es", "Portuguese"),
        ("Собака лает", "sv", "CYRILLIC"),
        ("Een hond blaft terwijl het regent", "de", "Dutch"),
        ("Un perro ladra mientras llueve", "es", None),
        ("En hund skäller medan regnet faller", "sv", None),
        ("Hunde bellen", "fr", None),  # nothing but nouns and verbs: it cannot be seen
        ("Un perro ladra mientras llueve", "ca", None),  # a language without a list
        ("", "de", None),
    ],
)
def test_a_language_is_told_from_the_one_asked_for(text: str, code: str, seen: str | None) -> None:
    found = other_language(text, code)
    assert found is None if seen is None else seen in (found or "")


def test_no_real_caption_is_foreign() -> None:
    if not MIRROR.is_dir():
        pytest.skip("no mirror of real captions here")
    with (MIRROR / "audiocaps/val.csv").open(encoding="utf-8") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    with (MIRROR / "clotho/clotho_captions_evaluation.csv").open(encoding="utf-8") as file:
        captions += [row[f"caption_{k}"] for row in csv.DictReader(file) for k in range(1, 6)]
    assert len(captions) >= 2000
    assert [text for text in captions if foreign(text)] == []
