"""What a caption must not name: months, days, devices, file words, places with a name, first names.

Only words that mean nothing else in a caption of sounds stand here ("march", "may", "turkey", "rose" and "mark" do
not): a name with a capital inside the text is seen without a list.
"""

from __future__ import annotations

from collections.abc import Iterable

from clapline.text.words import FUNCTION_WORDS, names, tokens, word_set

_MONTHS_AND_DAYS = word_set(
    """
    january february april june july august september october november december jan feb apr aug sept oct nov dec
    monday tuesday wednesday thursday friday saturday sunday easter christmas halloween thanksgiving
    """
)
_DEVICES = word_set(
    """
    tascam sony sennheiser olympus audacity iphone ipad samsung nokia motorola marantz edirol roland
    neumann akg shure behringer focusrite yamaha korg moog casio panasonic toshiba philips dell macbook microsoft
    nikon canon gopro garageband protools ableton cubase adobe honda toyota ford chevy chevrolet bmw
    mercedes volkswagen porsche ferrari harley davidson kawasaki suzuki boeing airbus cessna glock colt
    winchester remington beretta garand uzi mossberg mossburg nintendo playstation xbox
    """
)
_FILE_WORDS = word_set(
    """
    wav mp3 aiff aif flac ogg m4a khz hz kbps db bpm freesound youtube soundbible bbc wikipedia creativecommons
     dat minidisc sfx
    """
)
_PLACES = word_set(
    """
    africa america asia australia europe england britain scotland ireland wales france germany italy spain portugal
    netherlands belgium switzerland austria poland russia ukraine sweden norway finland denmark iceland canada mexico
    brazil argentina chile peru colombia cuba japan korea vietnam thailand indonesia malaysia singapore philippines
    india pakistan bangladesh nepal iran iraq israel egypt morocco kenya nigeria tanzania zealand hawaii alaska
    california texas florida arizona nevada oregon colorado ohio michigan illinois massachusetts pennsylvania virginia
    carolina louisiana minnesota wisconsin london paris berlin munich hamburg vienna zurich rome milan venice florence
    madrid barcelona lisbon amsterdam brussels copenhagen stockholm oslo helsinki warsaw prague budapest athens istanbul
    moscow beijing shanghai tokyo kyoto osaka seoul bangkok delhi mumbai sydney melbourne toronto montreal vancouver
    york manhattan brooklyn boston chicago seattle angeles francisco diego vegas miami orlando atlanta houston dallas
    denver philadelphia washington hollywood broadway
    """
)
_FIRST_NAMES = word_set(
    """
    daniel michael david james robert william thomas steve steven stephen brian kevin jason jeff jeffrey chris
    christopher matthew andrew joseph anthony paul peter george richard charles edward henry alex alexander adam
    benjamin brandon eric erik greg jonathan joshua justin kyle lawrence louis nathan nicholas patrick philip
    raymond ronald ryan samuel scott sean shawn simon stuart timothy vincent walter zachary mike jim joe dave
    mary patricia jennifer linda elizabeth barbara susan jessica sarah karen nancy lisa margaret sandra ashley emily
    donna michelle amanda melissa deborah stephanie rebecca laura sharon cynthia kathleen angela anna nicole
    samantha katherine emma ruth catherine maria diane julie joyce victoria kelly christina joan evelyn lauren
    judith olivia lorrie caroline tracey amy marilyn monika noah barry karl
    """
)
NAMED = _MONTHS_AND_DAYS | _DEVICES | _FILE_WORDS | _PLACES | _FIRST_NAMES
#: Written with capitals, and no name.
_CAPITALISED = word_set("tv am fm cd dvd vhs pa dj suv atv rv pc uv ac hvac cb lp sos usa ok ufo vcr rc abc abcs dtmf")


def new_names(text: str, known: Iterable[str]) -> list[str]:
    """Return the words of a text that name something and are not among `known` (lower case), sorted."""
    said = (names(text) - _CAPITALISED - FUNCTION_WORDS) | (NAMED & {_bare(word) for word in tokens(text)})
    return sorted({bare for word in said if len(bare := _bare(word)) > 1} - {_bare(word) for word in known})


def _bare(word: str) -> str:
    return word.removesuffix("'s")
