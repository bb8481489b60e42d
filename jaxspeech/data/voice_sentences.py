"""Generates English sentences to learn to speak from: about 700 words, in statements, questions and lists.

A voice has to say any text, so the words cover the sounds of English and their neighbours, the sentences have the
punctuation that shapes their melody, and some are of the grammar of sentences.py, which recognisers know.
"""

import random
import re

from jaxspeech.data.sentences import SLOTS, sentence

# Words that begin a question in the grammar of sentences.py.
_ASKING = re.compile(r"^(did|how|will|where|what)\b|\b(can you|where can)\b")
# Share of the sentences that are of the grammar of sentences.py.
KNOWN_SHARE = 0.35


def _words(text: str) -> list[str]:
    return text.split()


def _pairs(text: str) -> dict[str, str]:
    pairs = (pair.partition("-") for pair in text.split())
    return {first: second for first, _, second in pairs}


THINGS = _words("""
apple badge basket beach bell bird blanket bottle branch breeze bridge brush bucket building button cabin camera
candle carpet castle cellar chain chair choir church cloud coin collar corner cottage couch cradle crowd cup curtain
desk ditch dragon drawer dream earthquake engine envelope factory farm feather fence field finger flag flame flower
forest fountain frog game gate giant glove goat guitar hammer harbor hat hedge hill hole horse house idea island jar
jewel joke journey judge jungle kettle key kingdom kite ladder lake leather lemon library lion lizard lock machine
magazine map measure meadow message mirror mountain mouth museum nail needle neighbor nest newspaper nose oar ocean
orchard oven owl package page painter palace pebble pencil piano pillow pilot pirate planet plate pocket poem pond
potato prize puddle puzzle queen question rabbit raft razor record ribbon river road rocket roof rope rose sailor
sandwich scarf school secret shadow sheriff ship shirt shoe shoulder sink soldier song spider spoon square stage
staircase statue stone storm story street sugar suitcase table tailor thread throat thunder ticket tiger toe tongue
tooth tower toy treasure tree trumpet tunnel turtle valley vase village violin voyage wagon wall wave wheel whistle
window wing witch wolf workshop wrist yacht yard youth zebra zone
""")
ADJECTIVES = _words("""
ancient angry beautiful bitter bored brave bright broken busy calm careful cheap clever clumsy cold cozy crooked cruel
curious dark deep dirty distant dusty eager early easy empty enormous faint fair famous fancy fierce foolish fresh
frozen gentle golden gray happy hard healthy heavy hidden hollow huge humble icy joyful jolly large lazy little lonely
long loud loyal lucky modern mysterious narrow nervous new noisy obvious odd ordinary pale patient peculiar plain
pleasant polite poor precious proud purple quick quiet rare rich rough round rusty sad sharp shiny short shy silent
silver simple slow small smooth soft sour special square steep strange strong sweet tall thick thin tired tiny unusual
usual vague valuable violet warm wealthy weird wet wide wild wise wooden wrong young
""")
# Present and past of what one does to a thing.
DOING = _pairs("""
admire-admired borrow-borrowed break-broke bring-brought build-built bury-buried buy-bought carry-carried catch-caught
change-changed chase-chased choose-chose clean-cleaned collect-collected cover-covered describe-described
destroy-destroyed discover-discovered draw-drew enjoy-enjoyed explore-explored fetch-fetched find-found
finish-finished fix-fixed follow-followed forget-forgot guard-guarded hear-heard hide-hid hold-held ignore-ignored
imagine-imagined join-joined judge-judged keep-kept kick-kicked know-knew lift-lifted lose-lost love-loved
measure-measured mention-mentioned miss-missed move-moved notice-noticed observe-observed offer-offered order-ordered
paint-painted photograph-photographed polish-polished pull-pulled push-pushed reach-reached recognize-recognized
refuse-refused remember-remembered repair-repaired replace-replaced save-saved see-saw sell-sold share-shared
show-showed steal-stole study-studied surround-surrounded teach-taught throw-threw touch-touched use-used
visit-visited want-wanted wash-washed watch-watched weigh-weighed
""")
# What one does alone.
ACTING = _pairs("""
arrive-arrived begin-began breathe-breathed burn-burned climb-climbed cough-coughed cry-cried dance-danced
disappear-disappeared fall-fell fly-flew freeze-froze grow-grew hesitate-hesitated jump-jumped laugh-laughed
leave-left listen-listened move-moved pause-paused play-played pray-prayed rest-rested return-returned rise-rose
run-ran shine-shone shout-shouted sing-sang sit-sat sleep-slept smile-smiled sneeze-sneezed speak-spoke stand-stood
stay-stayed swim-swam talk-talked think-thought travel-traveled vanish-vanished wait-waited walk-walked
whisper-whispered work-worked yawn-yawned
""")
MANNERS = _words("""
already badly carefully certainly cheerfully early easily finally gladly gradually happily hardly honestly immediately
kindly loudly mostly nearly never often patiently perhaps politely possibly probably quickly quietly rarely really
seldom silently slowly sometimes soon suddenly surely usually
""")
PLACES = _words("""
above across after against among around before behind below beneath beside between beyond by inside into near on
outside over past through toward under upon without
""")
NAMES = _words("""
Adam Alice Andrew Anna Arthur Barbara Bob Catherine Charles Charlotte Daniel Diana Edward Elizabeth Emma Francis Frank
George Grace Hannah Harry Helen Henry Hugh Isaac Jack James Jane Jason Joan John Joseph Joyce Julia Karen Kevin Laura
Leo Louise Lucy Margaret Martha Matthew Michael Nancy Nathan Oliver Oscar Paul Peter Philip Rachel Ralph Richard
Robert Roger Rose Roy Ruth Samuel Sarah Simon Sophia Susan Theodore Thomas Victor Vincent Walter William Zoe
""")
CITIES = _words("""
Amsterdam Athens Berlin Boston Cairo Chicago Delhi Denver Dublin Edinburgh Florida Geneva Houston Jerusalem Kyoto
London Madrid Mexico Montreal Moscow Oxford Paris Rome Seattle Sydney Texas Tokyo Toronto Venice Vienna Virginia
Warsaw Zurich
""")
MONTHS = _words("""
January February March April May June July August September October November December
""")
ORDINALS = _words("""
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fifteenth sixteenth
eighteenth nineteenth twentieth twenty-first thirtieth
""")
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
NUMBERS = [
    *SLOTS["count"][1:],
    *_words("thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
    *_TENS,
    *(f"{ten}-{one}" for ten in _TENS for one in SLOTS["count"][:9]),
    *(f"{one} {large}" for one in SLOTS["count"][:9] for large in ("hundred", "thousand", "million")),
]
WHO = ["I", "you", "he", "she", "we", "they", "everybody", "nobody", "his father", "her mother", "their children"]
WHEN = [
    when.replace("_", " ")
    for when in _words("""
yesterday last_night this_morning on_Monday on_Wednesday a_week_ago every_day after_lunch before_breakfast at_noon
in_the_autumn during_the_winter once_a_year just_now all_summer_long
""")
]

SLOT_WORDS = {
    "thing": THINGS,
    "adjective": ADJECTIVES,
    "do": list(DOING),
    "did": list(DOING.values()),
    "act": list(ACTING),
    "acted": list(ACTING.values()),
    "how": MANNERS,
    "at": PLACES,
    "name": NAMES,
    "city": CITIES,
    "month": MONTHS,
    "ordinal": ORDINALS,
    "number": NUMBERS,
    "who": WHO,
    "when": WHEN,
    "clause": [
        "{who} {did} the {adjective} {thing}",
        "{name} {did} the {thing} {at} the {thing}",
        "the {thing} {acted} {how}",
        "the {adjective} {thing} {acted} {at} the {thing}",
        "{name} {acted} {when}",
        "the {thing} was {adjective}",
        "the {things} were {adjective} and {adjective}",
        "{who} {acted} {at} the {adjective} {thing}",
    ],
}
TEMPLATES = [
    *["{clause}."] * 4,
    *["{clause}, and {clause}.", "{clause}, but {clause}.", "{clause}, because {clause}."],
    *["when {clause}, {clause}.", "{how}, {clause}.", "{clause}; {clause}."],
    *["{things}, {things}, and {things}.", "the {thing}, the {thing} and the {adjective} {thing}."],
    *["did {name} {do} the {adjective} {thing}?", "why does the {thing} {act} so {how}?"],
    *["who {did} the {thing} {when}?", "can the {thing} {act} {at} the {thing}?", "is the {thing} {adjective}?"],
    *["{adjective} {things}!", "{do} the {thing}!", "what a {adjective} {thing}!"],
    *["please {do} the {thing} {at} the {thing}.", "do not {do} the {adjective} {thing}, {name}."],
    *["there are {number} {adjective} {things} {at} the {thing}.", "{name} {did} {number} {things} in {city}."],
    *["on the {ordinal} of {month}, {name} {acted} in {city}.", "{number}, {number}, {number}."],
    *["{name} said: {clause}.", "{thing}.", "{name}!"],
]
_SLOT = re.compile(r"\{(\w+)\}")


def plural(noun: str) -> str:
    """The plural of a regular noun, and of those of the list that are not."""
    irregular = {"tooth": "teeth", "wolf": "wolves", "scarf": "scarves", "staircase": "staircases"}
    if noun in irregular:
        return irregular[noun]
    if re.search(r"(s|x|z|sh|(?<!a)ch)$", noun):
        return f"{noun}es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def voice_sentence(rng: random.Random) -> str:
    """Returns a random sentence, with capitals and punctuation."""
    if rng.random() < KNOWN_SHARE:
        return known_sentence(rng)

    def fill(slot: re.Match[str]) -> str:
        if slot[1] == "things":
            return plural(rng.choice(THINGS))
        return _SLOT.sub(fill, rng.choice(SLOT_WORDS[slot[1]]))

    return _capitalized(_SLOT.sub(fill, rng.choice(TEMPLATES)))


def known_sentence(rng: random.Random) -> str:
    """Returns a random sentence of the grammar of sentences.py, with capitals and a full stop or a question mark."""
    text = sentence(rng)
    days = "|".join(day for day in SLOTS["day"] if day.endswith("day") and day != "today")
    text = re.sub(rf"\b({days})\b", lambda day: day[0].capitalize(), re.sub(r"\bi\b", "I", text))
    return _capitalized(text + ("?" if _ASKING.search(text) else "."))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
