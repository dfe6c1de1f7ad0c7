"""Which families of sounds a caption names, and which of them nothing in the sources speaks for.

A family is a kind of source or action that cannot be taken for another. The words before the bar name it; those after
it do not, but speak for it: "an animal growls" may be told as a dog, "machinery hums" as an engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from clapline.text.words import content_stems, stem, tokens, word_set

_FAMILIES = """
dog: dog puppy hound bark woof | animal growl howl whine whimper pant yelp yip yap snarl canine coyote wolf fox kennel
 pet
cat: cat kitten meow | animal feline mew hiss pet growl purr
bird: bird songbird seagull gull crow pigeon owl rooster duck goose chicken hen birdsong parrot sparrow | chirp tweet
 twitter squawk caw coo hoot sing cluck quack animal fowl wing flap forest whistle flock poultry honk wildlife nature
 song peacock turkey raven robin cockerel swan warble trill peep cheep jungle wood outdoors park cuckoo squeak
insect: insect bee cricket cicada mosquito wasp housefly locust | fly buzz chirp animal bug hum night nature swarm
 forest wildlife grasshopper hornet hive jungle rattle field outdoors drone
frog: frog toad croak ribbit | caw gull crow raven bird animal chirp insect pond nature swamp wildlife cricket
horse: horse neigh pony hoof hooves gallop | animal clop trot carriage clip-clop stable ride saddle clomp clop mule
 donkey
cattle: cow cattle moo sheep goat bleat pig oink lamb | animal farm baa grunt calf livestock herd snort barn bellow
siren: siren ambulance | alarm police emergency fire wail horn warning tornado alert
train: train locomotive railway railroad | rail track subway tram metro station steam tube trolley carriage platform
 coal horn whistle conductor
aircraft: airplane aeroplane jet aircraft helicopter | chopper plane fly flight propeller engine air turbine airport
 drone rotor overhead takeoff sky pilot motor hover
boat: boat ship ferry yacht | water sail oar vessel dock harbour harbor sea paddle engine motor horn deck row ocean
 lake
motorcycle: motorcycle motorbike moped | engine rev bike vehicle motor scooter ride traffic cycle race
car: car truck bus automobile lorry taxi | vehicle traffic engine motor drive road street highway tire tyre horn rev
 auto race racing city van ride freeway motorway garage interstate speedway rush busy honk brake windshield speed
 transport metro tram semi tractor pass intersection
gun: gun gunshot rifle pistol shotgun gunfire | shot shoot fire weapon explosion bang explode firework ammunition
 bullet trigger cannon artillery bolt load reload war
firework: firework firecracker | explosion explode bang rocket pop boom burst celebrate gun blast
explosion: explosion detonation | explode bang blast boom burst firework gun gunshot thunder bomb shoot shot eruption
 pop cannon firecracker war
thunder: thunder lightning thunderstorm thunderclap | roar storm rumble crash boom rain
rain: rain rainfall raindrop downpour drizzle | storm water drop drip shower wet patter umbrella droplet thunder
 sprinkle pour weather pelt splash fall trickle
wind: wind gust | gale breeze blow storm air howl weather windy draft whoosh hurricane tornado whistle chime blowing
 gusty
ocean: ocean sea surf seashore | whale dolphin wave beach shore water tide coast boat
baby: baby infant newborn toddler | kitten puppy child kid cry coo boy girl crib coos babble
laughter: laugh giggle chuckle laughter | cackle joke amuse happy fun joy cheer party play playful merry celebrate
 jovial
cough: cough sneeze | engine sputter throat sick clear ill cold nose achoo
scream: scream shriek | yell shout cry screech squeal horror holler cheer fear screams roller play wail howl
applause: applause applaud clap | thunder audience cheer crowd ovation hand performance concert theater theatre
 spectator
instrument: guitar piano violin trumpet flute saxophone harmonica accordion xylophone | drum orchestra music
 instrument song melody string play tone note chord key tune percussion synthesizer band organ musical keyboard beat
 bass musician strum perform cymbal tap harp synth electronic rhythm pluck concert drummer bongo tambourine horn
 marimba cello
bell: bell gong | ring toll ding chime clang clock church tone dong jingle cowbell wind clink glass alarm ting metal
 bowl phone cymbal buzzer tinkle ringing doorbell
telephone: phone telephone cellphone | ring dial call tone beep busy receiver buzz caller text voicemail vibrate
 mobile
clock: clock | tick watch timer chime alarm tock pendulum hour cuckoo toll time
broadcast: television radio tv | static broadcast channel signal tune speaker station show transmission walkie
 intercom announcer movie announcement film frequency white program
toilet: toilet lavatory | flush bathroom urinal restroom urinate drain washroom
chainsaw: chainsaw jackhammer | saw tool machine construction motor engine mower trimmer cut drill power wood tree
vacuum: vacuum hoover | clean suction machine sweep appliance blower
typing: keyboard typewriter | type key computer press piano click desk tap office button
camera: camera | click shutter photo picture film snap photograph record video
fire: flame campfire bonfire fireplace | grill stove burner gas fire crackle burn smoke blaze heat wood spark log
 torch lighter match
footsteps: footstep footfall | walk step run foot feet shoe boot stair march tread pace shuffle heel trudge hike jog
 stomp stroll gravel snow leaf crunch path sandal trample wander hurry person stride climb limp slipper approach hop
 tap
speech: talk speak speech conversation | voice people man woman crowd person child say tell announce yell shout murmur
 babble discuss chat chatter call language word restaurant whisper radio television tv human announcer announcement
 kid boy girl guy lady gentleman converse party lecture mumble audience preach read adult someone everyone crowded bar
 cafe mutter argue group market cafeteria female male station mall narrate broadcast teacher class gather public
 gossip describe instructor player spectator tour interview sing pray worker intercom dialogue question phone shop
 airport
engine: engine motor | vehicle car machine truck plane motorcycle rev idle drive mower airplane bus boat helicopter
 train jet machinery tractor traffic fan hum whir generator propeller saw drill tool airplane lorry motorbike blender
 buzz automobile aircraft road highway race ignition start turbine blow pump drone power diesel mechanical electric
 street lawn trolley tram van air rumble ferry
"""


# They share a stem with a word above but not its meaning: engines are gunned, traffic thunders.
_OTHER_MEANINGS = word_set(
    """
    care cares cared caring gunning gunned thundering thundered thunders training trained shipping shipped shipment
    """
)
# Phrases in which the word in brackets means something else than its family.
_PERSON = (
    r"(?:he|she|they|man|men|woman|women|person|people|someone|guy|boy|girl|male|female|officer|sergeant|coach|voice|"
    r"instructor|teacher|commander|soldier|crowd)s?"
)
_BIRDS = r"(?:chirp\w*|tweet\w*|(?:bird|insect|cricket|cicada|frog|owl|crow|gull|seagull|duck|animal)s?)"
_JOINING = r"(?:and|or|while|as|during|with|over|amid|amidst|near|to|by)"
_COOKING = r"\b(?:fry|fries|fried|frying|sizzl\w+|cook\w*|roast\w*|grill\w*)\b"
_MACHINE = r"(?:engines?|motors?|machines?|tires?|tyres?|brakes?|saws?|drills?|kettles?|guitars?|metal|wheels?|winds?)"
_GROWN = r"(?:tree|wood|log|trunk|branch|branches|twigs?|pine|oak|birch|cinnamon)"
_OTHER_SENSES = [
    re.compile(pattern)
    for pattern in (
        rf"\b{_PERSON}(?: \w+ly)? (bark\w*)",
        r"\b(bark\w*)(?: out)?(?: \w+)? (?:orders?|commands?|instructions?)\b",
        rf"\b{_GROWN}\b.*?\b(bark)\b",
        rf"\b(bark)\b(?=.*\b(?:{_GROWN}|of (?:\w+ )*trees|peel\w*|stripped)\b)",
        r"\b(jets?)(?: of| ski| stream)\b",
        r"\b(?:water|steam|gas|liquid|air|fluid|shower|ink|spray)(?:'s)? (jets?|jetting|jetted)\b",
        r"\w+s (thunder) (?:by|past|down|along|through|away|around|toward|towards|across|over|up|on)\b",
        r"\b(thunder) of (?!(?:the |an? )?(?:\w+ )?(?:storm|rain))",
        rf"\b{_BIRDS}(?: (?!{_JOINING}\b)\w+){{0,5}} (conversations?)\b",
        rf"\b(conversations?) (?:of|between|among|amongst) (?:\w+ ){{0,2}}{_BIRDS}\b",
        rf"\b{_BIRDS} (?:\w+ )?(talk|talking|speak|speaking)\b",
        rf"\b{_MACHINE}(?: \w+ly| is| are)? (scream\w*|shriek\w*|cough\w*)",
        rf"\b(scream\w*|shriek\w*|cough\w*) (?:of|from) (?:\w+ ){{0,2}}{_MACHINE}\b",
        r"\b(sea|ocean|rain)s? of |\b(gust|explosion)s? of (?:laugh|applau|cheer|sound|nois|voice|music|water)",
        r"\b(?:nail|staple|spray|glue|heat|water|massage|caulking|caulk|air|paint|grease|price) (guns?)\b",
        r"\b(claps?) of thunder|\bthunder (claps?)\b",
        r"\b(cricket) (?:match|game|bat|ball|pitch)\b",
        r"\b(?:plane|airplane|aircraft|jet|runway|helicopter)s?\b.*?\b(taxi\w*)|\b(taxiing)\b",
        r"\belephants?(?: \w+ly| is| are)? (trumpet\w*)|\b(trumpet\w*) of an? elephant",
        r"\b(baby) (?:birds?|chicks?|animals?|goats?|sheep|elephants?|ducks?|lambs?)\b",
        rf"{_COOKING}.*?\b(chicken|duck|lamb)\b",
        rf"\b(chicken|duck|lamb)\b(?=.*{_COOKING})",
        r"\b(winds?|wound|winding) (?:up|down|back) (?:an?|the|his|her|some)\b",
        r"\b(wind) instruments?\b|\b(wound) (?:up|around)\b",
        r"\b(lightning)(?: |-)(?:fast|speed|quick)",
        r"\b(\w+)-like\b",
    )
]


@cache
def _families() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return, by family, the stems that name it and the stems that speak for it."""
    found = {}
    for line in _FAMILIES.replace("\n ", " ").strip().splitlines():
        name, _, words = line.partition(":")
        named, _, supporting = words.partition("|")
        naming = frozenset(map(stem, named.split()))
        found[name] = naming, naming | frozenset(map(stem, supporting.split()))
    return found


def named_families(text: str) -> dict[str, str]:
    """Return the families of sounds that a text names, each with the first word that names it."""
    naming = {word: family for family, (words, _) in _families().items() for word in words}
    found = [(naming.get(stem(word)), word) for word in tokens(_literal(text)) if word not in _OTHER_MEANINGS]
    return {family: word for family, word in reversed(found) if family}


def _literal(text: str) -> str:
    """Return a text in lower case without the words that have another sense where they stand."""
    low = text.lower().replace("’", "'")
    for pattern in _OTHER_SENSES:
        low = pattern.sub(_without_group, low)
    return low


def _without_group(match: re.Match[str]) -> str:
    start, end = match.span(match.lastindex or 0)
    return match.group()[: start - match.start()] + match.group()[end - match.start() :]


def new_event(sources: Sequence[str], text: str) -> str | None:
    """Return the check `new_event`: no family of sounds that no word of the sources names or speaks for.

    It sees kinds of sources only: not a second dog, nor an event of a kind that the list lacks (a splash, a zip). A
    word in another sense is left aside where a phrase shows it ("a jet of water", "barks orders"); a simile is taken by
    its word. Of the 19,195 captions that the thesis's model wrote for Clotho it refuses 117, of which a reader found
    nine in ten to tell of something new.
    """
    known = {word for source in sources for word in content_stems(source)}
    new = [word for family, word in named_families(text).items() if not known & _families()[family][1]]
    return f"new_event: nothing given speaks of {', '.join(sorted(new))}" if new else None
