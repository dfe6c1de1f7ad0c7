"""Word lists of the corrupted captions: what sounds, how it sounds, and the opposites that can be heard."""

from __future__ import annotations

from typing import NamedTuple

from clapline.text.words import stem, word_set


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(stem, words.split()))


#: Stems of nouns for what sounds, hardly ever used as verbs.
NOUNS = _stems(
    """
    man woman person people child kid boy girl lady guy male female baby infant toddler adult crowd audience speaker
    voice conversation laughter applause chatter announcer announcement toddler newborn sleeper passenger bird
    pigeon seagull gull rooster chicken hen goose owl raven sparrow finch songbird woodpecker cockerel rook jackdaw
    dog puppy pup hound mutt pooch canine cat kitten kitty feline tomcat cow sheep lamb goat pig horse donkey lion
    insect cricket cicada bee mosquito frog toad bullfrog snake rodent animal wildlife ewe heifer engine motor
    motorcycle motorbike motorboat speedboat car truck bus vehicle automobile lorry van tractor helicopter airplane
    aeroplane aircraft plane jet propeller locomotive tram subway boat ambulance traffic bike bicycle machine
    machinery lawnmower mower chainsaw generator vacuum dryer blender printer typewriter keyboard computer fridge
    refrigerator appliance radio television tv intercom loudspeaker telephone phone clock siren alarm horn bell gong
    gun gunshot gunfire explosion firework thunder thunderstorm rainstorm rainfall raindrop downpour waterfall river
    creek ocean sea surf fountain water liquid faucet toilet shower footstep footfall hoof music song melody tune
    guitar piano violin cello harp flute trumpet saxophone clarinet accordion banjo synthesizer xylophone organ
    choir orchestra band instrument instrumental drummer flutist zipper door tire silverware cutlery dish utensil
    glass paper key coin chime firecracker campfire bonfire breeze wave static tool microwave stapler bagpipe
    harmonica didgeridoo tambourine cymbal bongo ukulele kettle hammer-drill scissors grasshopper singer narrator
    human talker hailstone jackhammer trolley sandpaper razor
    """
)
#: Stems of words that name what sounds in one caption and do something in another.
NOUNS_OR_VERBS = _stems(
    """
    wind rain train drill saw fire duck crow fan hammer whistle bark roar hum buzz beep click chirp drum hail storm
    laugh cough sneeze snore burp scream shout cry yell howl growl whine squeak squeal creak crash bang thud thump
    clap cheer ring splash drip trickle crackle pop hiss rumble honk toot rattle clang clank clink chatter tap knock
    pump meow quack croak bleat moo oink purr coo caw hoot tweet whimper sigh sniffle giggle chuckle groan moan
    grunt sizzle stream thunderclap whoosh swoosh boom blast jingle rustle murmur echo drone steam bubble gust
    vibration gasp tick wail step chime ring speech
    """
)
#: Words that are no sound, whose name may begin with one: the station of "train station".
THINGS = word_set(
    """
    station stations track tracks tank bottle bottles cage food park crossing seat house shop tub box boxes room cup
    glass gate door doors window windows case hall yard toy toys wheel wheels tap pipe pipes surface body container
    ride platform stop shelter stall barn bowl hose pressure made like level rest shoes hands stalls paper guard
    board lid dish
    """
)
#: Stems of verbs for what is heard to happen.
VERBS = _stems(
    """
    speak talk chat converse whisper shout yell scream laugh giggle chuckle cackle cry sob weep wail whimper cough
    sneeze sniff sniffle snore burp breathe pant gasp sigh groan moan grunt hum sing chant cheer clap applaud boo
    narrate announce murmur mumble babble holler guffaw bawl yawn vocalize gargle chew slurp swallow bark yap yip
    woof howl growl snarl whine bay yelp meow mew purr yowl moo low bleat baa neigh whinny snort oink squeal chirp
    tweet twitter sing squawk caw crow cluck quack honk coo hoot gobble screech chatter trill warble croak ribbit
    buzz stridulate chirrup roar hiss rattle bray flap flutter peck gallop trot clop drip trickle pour flow gurgle
    bubble splash spray gush run stream rush slosh lap crash rain drizzle patter fall blow gust rustle whistle
    thunder crackle burn pop sizzle fry boil idle rev accelerate decelerate hum rumble chug putter sputter whir
    whirr drone vibrate purr race speed skid fly drive pass ride roll zoom click clack clank clang clatter clink
    clunk tick ticktock beep blare ring chime toll jingle ding honk toot sound blast squeak creak grind scrape
    scratch rub rasp saw drill hammer sand file chop cut slice bang knock tap thump thud pound slam bump hit strike
    crinkle crumple crunch crack snap tear rip shuffle shake stir flush drain type whoosh swoosh swish boom explode
    fire shoot burst echo reverberate resonate play strum beat drum open close shut slide walk step stomp tread clip
    bounce work operate spin rotate sweep brush wash sew crush smack stamp plunk twang bellow jangle snip staple
    hack splutter wheeze unlock lock swing click
    """
)
#: Stems of those verbs whose -ing form is as often a thing or a kind of thing.
NEVER_VERBS = word_set("sound sounds sounding low lows bay bays file files fires saw sands lap laps light wind")
#: Words before a noun or an adjective.
SINGLE_DETERMINERS = word_set("a an the this that another each every one its his her their")
PLURAL_DETERMINERS = word_set(
    "the these those some several two three four five six many multiple various few other others different more all"
)
DETERMINERS = SINGLE_DETERMINERS | PLURAL_DETERMINERS
ADJECTIVES = word_set(
    """
    loud quiet soft faint distant nearby heavy light strong gentle high low deep large small big little young old
    adult long short brief continuous constant steady intermittent rhythmic rapid fast slow sharp muffled metallic
    electronic mechanical wooden electric digital musical human female male background single occasional sudden
    harsh hard dry wet repetitive repeated shrill dull hollow pouring freight passing light blowing falling rushing
    running soft squeaky ambient powerful consistent intense moderate medium wild happy crying barking singing
    chirping
    """
)
#: Words before a noun that stands without a determiner ("with rain falling").
PREPOSITIONS = word_set("of with from over amid through under")
#: Words before a clause; the empty one is the start of the caption.
OPENERS = word_set("and while as then with when , .") | {""}
#: Words that may stand between a subject and its verb.
MANNERS = word_set("also again just still faintly continuously fast")
#: Words after an -ing form that make it a noun or an adjective.
FRAMES = word_set("of sound sounds noise noises")
#: Words after an -ing form without a subject that is a verb: "Typing on a keyboard".
TOUCHING = word_set("on in into through over down along around against up off onto across")
#: Words before a noun that says where, not what sounds: "across the water".
PLACES = word_set(
    """
    across into on onto against in inside near toward towards through down up along around at beside over under to
    behind between outside above below past off
    """
)
#: Plurals without an s.
PLURALS = word_set("men women people children sheep geese mice feet they")
AUXILIARIES = word_set("is are was were be being been has have had can could will would gets get keeps keep")
#: Verbs before an -ing form: "starts barking".
PHASES = word_set(
    "starts start started begins begin began stops stop stopped continues continue continued keeps keep kept"
)
PRONOUNS = word_set(
    "it that which who they he she someone something somebody others everyone people children men women"
)
#: Nouns that make no sound of their own but may be said to do so: subjects of a verb.
SUBJECTS = _stems(
    """
    object item surface bag bottle metal wood plastic container box chair table pot pan plate fork spoon knife cup
    switch button lock leaf latch gate window drawer lid cabinet curtain floor gravel snow ice ground twig branch
    stick stone rock ball bat brush pen pencil chalk page book wheel brake gear belt chain hinge blade wing tail
    pipe drain sink bath bathtub tub sprinkler hose pump mouse camera device system equipment signal tone note noise
    hand finger foot shoe boot heel teeth food meat oil egg bacon speech train rain wind duck crow fan drill saw
    drum fire storm stream dolphin whale eagle turkey peacock monkey elephant bear wolf fox squirrel cub bug wasp
    whistle hammer group flock herd swarm bunch couple team player teacher student worker officer family girl friend
    skateboard cart wagon carriage ship ferry canoe raft paddle oar rocket skate tank flame log flag string chord
    singer rhythm tempo beat clip recording rope wire coil spring ratchet shovel wrench screwdriver carpet towel
    cloth fabric clothing velcro tape foil wrapper package can jar pill dice card domino ticket heart stomach throat
    mouth nose tongue lip mob class room rotor turbine blower heater conditioner fryer oven
    """
)


class Exchange(NamedTuple):
    """Words that exchange: `pairs` both ways, `also` one way; where the words before and after match."""

    family: str  # a caption with words of both sides of a family is left alone
    pairs: str = ""
    also: str = ""
    before: str = ""
    after: str = ""


#: Nothing of the same clause after it.
_CLOSED = r"(?= *(?:$|[.,;]|(?:and|or|while|as|then|with|followed|before|after|when|in|at|for|near|on|by)\b))"
_SOUNDS = (
    r"(?= (?:beep|tone|pause|burst|blast|honk|whistle|squeal|period|time|series|while|ring|buzz|bell|interval|hiss"
    r"|note|horn|pulse|duration|sound|silence|howl|growl|blow|break|creak|hum|chirp|click|call|conversation)e?s?\b)"
)
_PITCH = r"(?=[ -](?:pitch(?:ed|es)?|frequenc(?:y|ies)|ton(?:e|es|ed|al)|volumes?|notes?|speeds?|keys?)\b)"
_WEATHER = (
    r"(?= (?:rain|rainfall|rains|winds?|traffic|snow|footsteps?|footfalls?|breathing|objects?|applause|static)\b)"
)
_NO_PARTICLE = r"(?!\W+(?:down|up|off|out|in|to|into|motion|food|forward|cook(?:er|ing)|talk|rig|ben|band|bang)\b)"
_NOT_TWICE = r"(?<!er and )"
_NOT_AGAIN = r"(?! and \w+er\b)"
_NOT_YOUNG = r"(?! (?:child|children|kids?|bab(?:y|ies)|boys?|girls?)\b)"
_TOOK_PLACE = r"(?= *(?:$|[.,;]|(?:\w{3,}ing|and|while|as|then|when|again|suddenly|abruptly)\b))"
_DOOR = r"(?:doors?|drawers?|windows?|lids?|gates?|cabinets?|is|are|was|were|being|gets|get|been) (?:\w+ly )?"
_ATTRIBUTE = r"(?:^|(?:\b(?:an?|the|some|several|two|of|by|and|with|as|while|then)|,) )"
_CLAUSE_ENDS = r"(?= *(?:$|[.,;]|(?:and|while|as|then)\b))"
_PACE = r"(?= (?:intervals?|rhythm|pace|beat|rate|tempo)\b)"
_SEX = r"(?!['’])(?!\W+made\b)(?!.*\b(?:he|she|his|hers?|him|himself|herself)\b)"
EXCHANGES = (
    Exchange("loud", "loud/quiet", "faint>loud", before=r"(?<!out )", after=r"(?!\W+(?:speakers?|down|enough)\b)"),
    Exchange("loud", "loudly/quietly", "softly>loudly faintly>loudly noisily>quietly"),
    Exchange("loud", "louder/quieter", "softer>louder", before=_NOT_TWICE, after=_NOT_AGAIN),
    Exchange("speed", "fast/slow", "rapid>slow", after=_NO_PARTICLE),
    Exchange("speed", "quickly/slowly", "rapidly>slowly", after=_NO_PARTICLE),
    Exchange("speed", "faster/slower", before=_NOT_TWICE, after=_NOT_AGAIN),
    Exchange("speed", "speeds_up/slows_down speeding_up/slowing_down speed_up/slow_down"),
    Exchange("speed", "accelerates/decelerates accelerating/decelerating"),
    Exchange("speed", "accelerate/decelerate accelerated/decelerated acceleration/deceleration"),
    Exchange("pitch", "high/low higher/lower", after=_PITCH),
    Exchange("weight", "heavy/light", after=_WEATHER),
    Exchange("weight", "heavily/lightly"),
    Exchange("strength", "strong/weak", after=r"(?= (?:winds?|breeze|gusts?|currents?)\b)"),
    Exchange("size", "large/small", "big>small larger>smaller smaller>larger", after=_NO_PARTICLE + _NOT_YOUNG),
    Exchange("ground", "hard/soft", after=r"(?= (?:surfaces?|floors?|ground)\b)"),
    Exchange("length", "long/short", "brief>long", before=r"\b(?:an?|the|one|two|some|several) ", after=_SOUNDS),
    Exchange("sex", "man/woman men/women male/female males/females boy/girl boys/girls", after=_SEX),
    Exchange("sex", "man's/woman's mans/womans", "lady>man ladies>men guy>woman guys>women", after=_SEX),
    Exchange("sex", "mother/father mom/dad", after=_SEX),
    Exchange("open", "opens/closes opening/closing", "shuts>opens shutting>opening", after=_NO_PARTICLE),
    Exchange("open", "opened/closed", before=_DOOR, after=_NO_PARTICLE),
    Exchange("start", "starts/stops start/stop starting/stopping", "begins>stops begin>stop", after=_TOOK_PLACE),
    Exchange("start", "begins/ends", after=r"(?= with\b)"),
    Exchange("change", "increases/decreases increasing/decreasing increased/decreased increase/decrease"),
    Exchange("change", "ascending/descending"),
    Exchange("approach", "approaches/recedes approaching/receding approach/recede", after=_CLOSED),
    Exchange("approach", "gets_closer/gets_farther_away getting_closer/getting_farther_away", after=r"(?! to\b)"),
    Exchange("approach", "moves_closer/moves_farther_away moving_closer/moving_farther_away", after=r"(?! to\b)"),
    Exchange("place", "indoors/outdoors indoor/outdoor"),
    Exchange("place", "inside/outside", before=r"(?<!the )(?<!of )", after=_CLAUSE_ENDS),
    Exchange("distance", "distant/nearby", before=_ATTRIBUTE, after=r"(?= (?!an?\b|the\b|some)\w)"),
    Exchange("distance", "in_the_distance/nearby", before=r"(?<!far )(?<!off )(?<!out )(?<!away )", after=_CLOSED),
    Exchange("distance", "far_away/close_by", "far_off>close_by", after=_CLOSED),
    Exchange("steady", "continuous/intermittent continuously/intermittently"),
    Exchange("steady", "", "constant>intermittent constantly>intermittently steadily>intermittently"),
    Exchange("steady", "regular/irregular", "steady>irregular", after=_PACE),
    Exchange("power", "turned_on/turned_off turns_on/turns_off switched_on/switched_off turning_on/turning_off"),
)  # fmt: skip
