"""Whether a text is plainly not English: by its script, by words of grammar of other languages, by their letters."""

from __future__ import annotations

import re
import unicodedata

from clapline.text.words import FUNCTION_WORDS, word_set

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: Words of grammar and a few sound words, of languages in Latin script; none is an English word.
_FOREIGN = {
    "German": "der das und ist sind ein eine einen einem einer im mit auf nicht den dem des von vom zum zur wird "
    "werden während bei durch dann dabei wie über unter zwei hund mann frau vogel vögel regen bellt "
    "spricht auto laut leise",
    "French": "le les un une des du et est dans avec sur qui que aux il elle pendant tandis puis au ou où sont ce "
    "cette chien homme femme oiseaux pluie voiture aboie parle bruit deux en se sous près très",
    "Spanish": "el los las un una unos unas y en con mientras que se está están del al por para como luego dos perro "
    "hombre mujer agua coche pájaros lluvia ladra habla ruido muy sobre",
    "Italian": "il lo gli un una uno e di che è con mentre nel nella del della delle degli sono poi sta stanno dei "
    "due cane uomo donna uccelli pioggia abbaia parla rumore molto su per",
    "Portuguese": "os um uma e em com enquanto que nas nos da dos das está estão ao pela pelo depois dois cão cachorro "
    "homem mulher pássaros chuva carro late fala ruído muito sobre",
    "Dutch": "het een van en met op terwijl zijn aan bij naar dan er niet twee hond vrouw vogels regen blaft "
    "spreekt geluid zeer uit wordt",
    "Swedish": "och är ett som med på av medan sedan det inte två hund talar kvinna fåglar regn skäller ljud mycket",
    "Danish": "og er et som med på af mens det ikke to hund taler kvinde fugle regn lyd meget",
    "Finnish": "ja on kun sitten joka koira mies nainen linnut sade haukkuu puhuu ääni samalla hyvin kaksi taustalla",
    "Polish": "i jest w na z się podczas gdy oraz potem nie pies mężczyzna kobieta ptaki deszcz szczeka mówi dwa "
    "głośno",
    "Czech": "je v na se při pak nebo pes muž žena ptáci déšť štěká mluví dva zatímco",
    "Turkish": "ve bir bu ile için iken sonra köpek adam kadın kuşlar yağmur havlıyor konuşuyor çok iki",
    "Indonesian": "dan yang di dengan sementara saat seekor seorang anjing pria wanita burung hujan menggonggong dua",
    "Romanian": "și este un o în cu pe care timp ce apoi câine bărbat femeie păsări ploaie latră vorbește două",
    "Hungarian": "és a az egy van miközben majd kutya férfi nő madarak eső ugat beszél nagyon két",
}
#: Spelt like an English word.
_ENGLISH_TOO = word_set(
    "a an i as at am me he no so to on in is was war die man hat do or us we up due auto care late met hay per van "
    "sale come time pan son den sous also by for"
)


#: ISO 639 codes of the languages that are known by their words.
_NAMES = {
    "cs": "Czech", "da": "Danish", "de": "German", "es": "Spanish", "fi": "Finnish", "fr": "French", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "sv": "Swedish", "tr": "Turkish",
}  # fmt: skip


def foreign(text: str) -> str | None:
    """Return what shows that a text is not English ("words of German: der, und", "letters of CYRILLIC"), else None.

    Careful: it speaks up only when most letters are of another script, or when words of grammar of another language
    are at least two and outnumber the English ones, or one is there beside a letter that English lacks and no English
    word of grammar. A few foreign nouns without grammar pass.
    """
    words = _words(text)
    if script := _other_script(words):
        return script
    found = _grammar_words(words)
    english = sum(word in _ENGLISH for word in words) if found else 0
    marked = not "".join(words).isascii()
    for language, said in found:
        if (len(set(said)) >= 2 and len(said) > english) or (marked and not english):
            return _told(language, said)
    return None


def other_language(text: str, code: str) -> str | None:
    """Return what shows that a text is not of the language with an ISO 639 code but of another (not English).

    As careful as `foreign`: two words of grammar of another language at least, and more than of the one that is asked
    for. None for languages that are not among the fifteen in Latin script that are known here.
    """
    asked = _NAMES.get(code)
    if asked is None:
        return None
    words = _words(text)
    if script := _other_script(words):
        return script
    own = sum(word in _FOREIGN[asked].split() for word in words)
    for language, said in _grammar_words(words):
        if language != asked and len(set(said)) >= 2 and len(said) > own:
            return _told(language, said)
    return None


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _other_script(words: list[str]) -> str | None:
    letters = "".join(words)
    strange = [] if letters.isascii() else [script for script in map(_script, letters) if script != "LATIN"]
    return f"letters of {max(sorted(set(strange)), key=strange.count)}" if 2 * len(strange) > len(letters) else None


def _grammar_words(words: list[str]) -> list[tuple[str, list[str]]]:
    """Return the words of grammar by language, the language with most of them first."""
    found: dict[str, list[str]] = {}
    for word in words:
        for language in _LANGUAGES.get(word, ()):
            found.setdefault(language, []).append(word)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _told(language: str, said: list[str]) -> str:
    return f"words of {language}: {', '.join(dict.fromkeys(said))}"


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split()[0]


_GRAMMAR = {language: word_set(words) - _ENGLISH_TOO for language, words in _FOREIGN.items()}
_LANGUAGES = {
    word: [language for language, known in _GRAMMAR.items() if word in known]
    for word in frozenset().union(*_GRAMMAR.values())
}
_ENGLISH = FUNCTION_WORDS - _ENGLISH_TOO - frozenset(_LANGUAGES)
