"""Generates everyday English from a small grammar: about 170 words, hundreds of thousands of sentences.

Made for the quickstart corpus: few enough words to be learnt in minutes, and enough sentences that those of the
evaluation do not occur in training.
"""

import random
import re
from collections.abc import Mapping, Sequence

SLOTS = {
    "article": ["the", "my", "our", "your"],
    "chore": [
        "wash the dishes",
        "water the plants",
        "feed the cat",
        "walk the dog",
        "clean the windows",
        "pay the bill",
    ],
    "color": ["red", "blue", "green", "white", "black", "yellow"],
    "count": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
    "day": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "today", "tomorrow"],
    "device": ["lights", "lamp", "heater", "fan", "radio", "television", "music", "alarm"],
    "food": ["bread", "milk", "coffee", "apples", "rice", "cheese", "soup", "fish", "butter", "oranges"],
    "greeting": ["hello", "good morning", "good evening", "thank you", "excuse me"],
    "minute": ["fifteen", "twenty", "thirty", "forty", "fifty"],
    "part": ["in the morning", "in the afternoon", "in the evening", "at noon", "at midnight"],
    "person": ["mother", "father", "sister", "brother", "doctor", "teacher", "neighbor", "friend"],
    "place": ["station", "airport", "market", "school", "library", "hospital", "office", "park"],
    "room": ["kitchen", "bedroom", "bathroom", "garden", "garage", "hallway", "living room"],
    "switch": ["on", "off"],
    "thing": ["book", "phone", "letter", "bag", "jacket", "car", "umbrella", "picture"],
    "vehicle": ["train", "bus", "plane", "taxi"],
    "weather": ["rain", "snow", "wind", "sunshine", "fog"],
}

TEMPLATES = [
    "please turn {switch} the {room} {device} at {count} {minute}",
    "turn {switch} the {device} in the {room}",
    "set the {room} {device} to {count}",
    "wake me up at {count} {minute} on {day}",
    "remind me to {chore} {part} on {day}",
    "did you {chore} {part}",
    "call {article} {person} {part}",
    "tell {article} {person} that the {vehicle} is late",
    "we need {food} {food} and {food}",
    "please buy {count} bags of {food} at the {place}",
    "the {vehicle} to the {place} leaves at {count} {minute}",
    "how long does the {vehicle} take to the {place}",
    "there will be {weather} on {day} and {weather} on {day}",
    "will there be {weather} {part}",
    "where is {article} {color} {thing}",
    "{article} {person} lost a {color} {thing} at the {place}",
    "the {color} {thing} is in the {room}",
    "{greeting} can you {chore} please",
    "{greeting} where can i find the {place}",
    "i would like {food} and {food} for {count} people",
    "meet {article} {person} at the {place} on {day}",
    "open the {color} door and close the {room} window",
    "play some music in the {room} for {count} minutes",
    "what time does the {vehicle} leave for the {place}",
    "add {food} and {food} to the list",
    "my number is {count} {count} {count} {count} {count}",
]


def sentence(rng: random.Random, slots: Mapping[str, Sequence[str]] = SLOTS) -> str:
    """Return one random sentence, with the words of `slots`: lower-case words with single spaces."""
    template = rng.choice(TEMPLATES)
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(slots[slot[1]]), template)
