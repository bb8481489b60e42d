"""Measures models of speakers, voice activity and commands, with random weights and NeMo's published sizes.

The times include the copy of the results to the host.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.models import noise_batch, num_parameters
from benchmarks.timing import measure
from jaxspeech.archive import Archive
from jaxspeech.audio.smoothing import smooth
from jaxspeech.audio.speech_segments import SegmentOptions, speech_segments
from jaxspeech.builder import build
from jaxspeech.configs.marblenet_vad import marblenet
from jaxspeech.configs.matchboxnet import matchboxnet
from jaxspeech.configs.titanet import blocks
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.tasks.speaker import Voices
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import sgd
from jaxspeech.training.updates import Update

ENCODERS = {
    "titanet": {"name": "jasper", "blocks": tuple(block | {"dropout": 0.0} for block in blocks(1024))},
    "titanet_small": {"name": "jasper", "blocks": tuple(block | {"dropout": 0.0} for block in blocks(256))},
    "ecapa": {"name": "ecapa"},
}
SPEAKERS = 7205


def embedder(name: str) -> Any:
    """Makes the task of a speaker model."""
    config = {"task": "speaker", "features": {"name": "mel"}, "encoder": ENCODERS[name]}
    return build(config | {"decoder": {"name": "speaker", "num_classes": SPEAKERS}})


def embed(repeat: int, *, name: str) -> dict[str, Any]:
    """Embeds one batch of 8 recordings of 10 s."""
    task = embedder(name)
    variables = jax.jit(task.init)(jax.random.key(0))
    batch = noise_batch(8, 10.0)
    predict = jax.jit(task.inference.embed)
    times = measure(lambda: jax.device_get(predict(variables, batch.samples, batch.num_samples)), repeat or 5)
    return {"params": num_parameters(variables), "batch": 8, **speed(times, 80.0)}


def train_titanet(repeat: int) -> dict[str, Any]:
    """Trains a large TitaNet on 16 recordings of 3 s, without augmentation."""
    task = embedder("titanet")
    optimizer = sgd(1e-4)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-4)
    noise = noise_batch(16, 3.0)
    labels = np.random.default_rng(0).integers(0, SPEAKERS, 16).astype(np.int32)
    batch = jax.device_put(Voices(noise.samples, noise.num_samples, labels, noise.index))

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return metrics

    return {"params": parameters, "batch": 16, **speed(measure(run, repeat or 3, warmup=2), 48.0)}


def classifier(config: Any, num_classes: int) -> Classifier:
    """Makes a classifier of one of the recipes."""
    config = config.to_dict() | {"num_classes": num_classes}
    return Classifier(Archive(config, {}, jax.jit(build(config).init)(jax.random.key(0)), {}))


def classify(repeat: int, *, make: Callable[[], Any], num_classes: int, batch: int, seconds: float) -> dict[str, Any]:
    """Classifies recordings, or the frames of one, from arrays to probabilities on the host."""
    found = classifier(make(), num_classes)
    audio = list(np.asarray(noise_batch(batch, seconds).samples))
    times = measure(lambda: found.classify(audio, batch_size=batch), repeat or 5)
    return {"params": num_parameters(found.variables), "batch": batch, **speed(times, batch * seconds)}


def clip_vad(repeat: int, *, exact: bool) -> dict[str, Any]:
    """Finds speech in 60 s by a model of clips: a window of 0.63 s around every 10 ms."""
    found = classifier(matchboxnet(), 2)
    audio = np.asarray(noise_batch(1, 60.0).samples[0])
    windows = {"seconds": 0.63, "exact": exact}
    times = measure(lambda: found.segments([audio], windows=windows)[0].probabilities, repeat or 3, warmup=1)
    return {"params": num_parameters(found.variables), **speed(times, 60.0)}


def vad_post(repeat: int) -> dict[str, Any]:
    """Turns an hour of 20 ms probabilities into segments, and smooths a minute of windows by their median."""
    rng = np.random.default_rng(0)
    logits = np.convolve(rng.standard_normal(180_060), np.ones(61) / 4, "valid")[:180_000]
    p = (1 / (1 + np.exp(-logits))).astype(np.float32)
    options = SegmentOptions(onset=0.6, offset=0.4, pad_onset=0.1, pad_offset=0.1, min_speech=0.2, min_silence=0.3)
    times = measure(lambda: speech_segments(p, frame_seconds=0.02, options=options), repeat or 9)
    median = measure(lambda: smooth(p[:6000], "median", window_seconds=0.63, overlap=0.875), repeat or 9)
    return {**speed(times, 3600.0), "median_smoothing_of_60_s_s": median["median_s"]}


def speed(times: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Adds the seconds of audio and how many of them are processed per second."""
    return {"secs_audio": seconds, **times, "RTFx": seconds / times["median_s"]}


CASES = {
    **{name: partial(embed, name=name) for name in ENCODERS},
    "train_titanet": train_titanet,
    "frame_vad": partial(classify, make=marblenet, num_classes=2, batch=1, seconds=600.0),
    "matchboxnet": partial(classify, make=matchboxnet, num_classes=35, batch=128, seconds=1.0),
    "clip_vad": partial(clip_vad, exact=False),
    "clip_vad_exact": partial(clip_vad, exact=True),
    "vad_post": vad_post,
}
