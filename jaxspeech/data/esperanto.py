"""Translates the sentences of sentences.py into Esperanto, by rule.

turn on the lamp in the kitchen           ->  ŝaltu la lampon en la kuirejo
call my friend in the morning             ->  matene voku mian amikon

Each template has a translation, most of them with the words in a different order, and each word one, which takes the
endings of its case, tense or mood where it has a `*`: "{person:n}" is the accusative of a person.
"""

import re

from jaxspeech.data.sentences import SLOTS, TEMPLATES
from jaxspeech.errors import SpeechError

# The translations of `SLOTS`, in the same order.
WORDS = {
    "article": ["la", "mia*", "nia*", "via*"],
    "chore": [
        "lav* la telerojn",
        "akvum* la plantojn",
        "nutr* la katon",
        "promenig* la hundon",
        "purig* la fenestrojn",
        "pag* la fakturon",
    ],
    "color": ["ruĝa*", "blua*", "verda*", "blanka*", "nigra*", "flava*"],
    "count": ["unu*", "du*", "tri*", "kvar*", "kvin*", "ses*", "sep*", "ok*", "naŭ*", "dek*", "dekunu*", "dekdu*"],
    "day": ["lunde", "marde", "merkrede", "ĵaŭde", "vendrede", "sabate", "dimanĉe", "hodiaŭ", "morgaŭ"],
    "device": ["lumoj*", "lampo*", "hejtilo*", "ventolilo*", "radio*", "televidilo*", "muziko*", "alarmo*"],
    "food": ["pano*", "lakto*", "kafo*", "pomoj*", "rizo*", "fromaĝo*", "supo*", "fiŝo*", "butero*", "oranĝoj*"],
    "greeting": ["saluton", "bonan matenon", "bonan vesperon", "dankon", "pardonu"],
    "minute": ["dekkvin", "dudek", "tridek", "kvardek", "kvindek"],
    "part": ["matene", "posttagmeze", "vespere", "tagmeze", "noktomeze"],
    "person": ["patrino*", "patro*", "fratino*", "frato*", "kuracisto*", "instruisto*", "najbaro*", "amiko*"],
    "place": ["stacidomo*", "flughaveno*", "bazaro*", "lernejo*", "biblioteko*", "malsanulejo*", "oficejo*", "parko*"],
    "room": ["kuirejo*", "dormoĉambro*", "banĉambro*", "ĝardeno*", "garaĝo*", "koridoro*", "salono*"],
    "switch": ["ŝalt*", "malŝalt*"],
    "thing": ["libro*", "telefono*", "letero*", "sako*", "jako*", "aŭto*", "ombrelo*", "bildo*"],
    "vehicle": ["trajno*", "buso*", "aviadilo*", "taksio*"],
    "weather": ["pluvo*", "neĝo*", "vento*", "sunbrilo*", "nebulo*"],
}
# The translations of `TEMPLATES`, in the same order. Slots of the same name keep their order.
TRANSLATED = [
    "bonvolu je la {count:a} {minute} {switch:i} la {device:n} de la {room}",
    "{switch:u} la {device:n} en la {room}",
    "agordu la {device:n} de la {room} al {count}",
    "veku min {day} je la {count:a} {minute}",
    "memorigu min {day} {part} {chore:i}",
    "ĉu vi {part} {chore:is}",
    "{part} voku {article:n} {person:n}",
    "diru al {article} {person} ke la {vehicle} malfruas",
    "ni bezonas {food:n} {food:n} kaj {food:n}",
    "bonvolu aĉeti ĉe la {place} {count} sakojn da {food}",
    "je la {count:a} {minute} foriras la {vehicle} al la {place}",
    "kiom da tempo bezonas la {vehicle} ĝis la {place}",
    "{day} estos {weather} kaj {day} {weather}",
    "ĉu {part} estos {weather}",
    "kie estas {article} {color} {thing}",
    "ĉe la {place} {article} {person} perdis {color:n} {thing:n}",
    "en la {room} estas la {color} {thing}",
    "{greeting} ĉu vi bonvolus {chore:i}",
    "{greeting} kie mi trovas la {place:n}",
    "por {count} personoj mi ŝatus {food:n} kaj {food:n}",
    "renkontu {day} {article:n} {person:n} ĉe la {place}",
    "malfermu la {color:n} pordon kaj fermu la fenestron de la {room}",
    "ludu muzikon dum {count} minutoj en la {room}",
    "je kioma horo foriras la {vehicle} al la {place}",
    "aldonu {food:n} kaj {food:n} al la listo",
    "mia numero estas {count} {count} {count} {count} {count}",
]
_SLOT = re.compile(r"\{(\w+):?(\w*)\}")


def _pattern(template: str) -> re.Pattern:
    return re.compile(_SLOT.sub(lambda slot: f"({'|'.join(SLOTS[slot[1]])})", template))


_RULES = [
    (_pattern(template), [slot[1] for slot in _SLOT.finditer(template)], translated)
    for template, translated in zip(TEMPLATES, TRANSLATED, strict=True)
]
_MEANING = {slot: dict(zip(words, WORDS[slot], strict=True)) for slot, words in SLOTS.items()}


def translate(sentence: str) -> str:
    """Returns the Esperanto of an English sentence that `sentences.sentence` can make.

    Raises:
      SpeechError: it cannot make this sentence.
    """
    slots, words, translated = _parse(sentence)
    said = {name: iter([word for slot, word in zip(slots, words, strict=True) if slot == name]) for name in slots}
    return _SLOT.sub(lambda slot: _MEANING[slot[1]][next(said[slot[1]])].replace("*", slot[2]), translated)


def _parse(sentence: str) -> tuple[list[str], tuple[str, ...], str]:
    """The slots of a sentence, their words, and the translation of its template."""
    for pattern, slots, translated in _RULES:
        if found := pattern.fullmatch(sentence):
            return slots, found.groups(), translated
    raise SpeechError(f"no rule translates {sentence!r}: it is not one of the quickstart's sentences")
