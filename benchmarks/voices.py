"""Measures voices with random weights, FastPitch at its published size: the time of a sentence, and to the first sound.

Every symbol lasts 6 frames, so that 150 symbols are 900 frames, 10.4 s at 22.05 kHz. The times include everything from
the text to samples on the host.
"""

import time
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.models import num_parameters
from benchmarks.speakers import speed
from benchmarks.timing import measure
from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.configs import fastpitch, hifigan, vocos
from jaxspeech.pipelines.synthesizer import Synthesizer
from jaxspeech.surgery.voice import join_voice
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters
from jaxspeech.text.symbol_sets import english_letters
from jaxspeech.text.symbols import SymbolTokenizer

SYMBOLS, FRAMES = 150, 6
WORDS = ("he", "said", "that", "the", "sound", "of", "it", "would", "come", "soon")


def voice(vocoder: Any) -> Synthesizer:
    """Makes a voice with a vocoder."""
    symbols = english_letters()
    recipe: Any = fastpitch.get_config()
    speech = recipe.model.to_dict()
    speech |= {"vocab_size": len(symbols), "least_duration": FRAMES, "most_duration": FRAMES}
    models = [speech, vocoder.to_dict()]
    front_end = FrontEnd(SymbolTokenizer(symbols), Letters(), normalizer="english")
    archives = [Archive(model, {"front_end": front_end}, variables(model), {}) for model in models]
    return Synthesizer(join_voice(*archives))


def variables(model: dict[str, Any]) -> Any:
    """Makes small random weights; to compile what initialises the discriminators would take minutes."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    return jax.tree.map(lambda x: (0.02 * rng.standard_normal(x.shape)).astype(x.dtype), shapes)


def sentence(size: int) -> str:
    """Makes a sentence with so many letters, spaces and marks."""
    words = " ".join(np.resize(WORDS, size).tolist())
    return words[: size - 1].strip().ljust(size - 1, "e") + "."


def synthesize(repeat: int, *, vocoder: Any) -> dict[str, Any]:
    """Speaks one sentence."""
    speaker, text = voice(vocoder), sentence(SYMBOLS)
    times = measure(lambda: speaker.speak(text)[0].samples, repeat or 5)
    seconds = speaker.speak(text)[0].duration
    return {"params": num_parameters(speaker.variables), "symbols": SYMBOLS, **speed(times, seconds)}


def first_sound(repeat: int, *, vocoder: Any, sentences: int) -> dict[str, Any]:
    """Speaks a long text live: the time to the first sound, and that of all."""
    speaker = voice(vocoder)
    text = " ".join([f"{sentence(60)[:-1]}, {sentence(SYMBOLS - 62)}"] * sentences)
    first, seconds = [], 0.0

    def speak() -> None:
        nonlocal seconds
        begin, seconds = time.perf_counter(), 0.0
        for number, samples in enumerate(speaker.stream(text, pause=0.0)):
            if not number:
                first.append(time.perf_counter() - begin)
            seconds += len(samples) / speaker.sample_rate

    times = measure(speak, repeat or 3)
    found = {"params": num_parameters(speaker.variables), "sentences": sentences}
    return {**found, "first_sound_s": float(np.median(first[-(repeat or 3) :])), **speed(times, seconds)}


CASES = {
    "synth": partial(synthesize, vocoder=hifigan.model("v1")),
    "synth_default": partial(synthesize, vocoder=vocos.model()),
    "synth_small": partial(synthesize, vocoder=vocos.model("small")),
    "first_sound": partial(first_sound, vocoder=vocos.model(), sentences=20),
}
