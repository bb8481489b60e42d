"""A voice whose sound anyone can compute: symbol i lasts 1 + i % 3 frames, and a frame's samples are sums of frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech import builder
from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.masks import zero_padding
from jaxspeech.surgery.voice import join_voice
from jaxspeech.tasks.branches import without_parts
from jaxspeech.tasks.kinds import IncrementalVocoding, Synthesis, Timing, Vocoding
from jaxspeech.tasks.parts import FEATURES, Kind
from jaxspeech.tasks.task import Task
from jaxspeech.text.classes import Classes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters
from jaxspeech.text.symbols import SymbolTokenizer

RATE, HOP, MELS = 800, 8, 4
MEL = {"name": "mel", "sample_rate": RATE, "window_seconds": 0.02, "hop_seconds": 0.01, "fft_size": 16}
MEL |= {"num_mels": MELS, "preemphasis": None, "normalize": "none", "log_guard_value": 1e-5, "mag_power": 1.0}
SYMBOLS = [" ", *"abcdefghijklmnopqrstuvwxyz", "'", ",", ".", "?", "<pad>"]
SPEECH = {"task": "toy_speech", "features": MEL, "vocab_size": len(SYMBOLS), "num_speakers": 2}
VOCODER = {"task": "toy_vocoder", "features": MEL | {"log_guard": "clamp", "exact_pad": True}}


class Texts(NamedTuple):
    index: Any
    text: Any
    num_symbols: Any
    speaker: Any
    samples: Any


class SpokenFrames(NamedTuple):
    mel: Any
    num_frames: Any


class ToySpeech(nn.Module):
    frontend: MelSpectrogram
    vocab_size: int
    num_speakers: int = 0
    styled: bool = False

    def setup(self) -> None:
        self.embed = nn.Embed(self.vocab_size, MELS)

    def durations(
        self, text: Any, num_symbols: Any, speaker: Any, pace: Any, pitch_shift: Any, style: Any = None
    ) -> Timing:
        frames = jnp.floor((1 + text % 3) / pace[:, None] + 0.5).astype(jnp.int32)
        hidden = self.embed(text) + 10 * speaker[:, None, None] + pitch_shift[:, None, None]
        if style is not None:  # the mean of the recordings
            hidden += (zero_padding(*style).sum(1) / style[1])[:, None, None]
        return Timing(zero_padding(frames, num_symbols), hidden)

    def frames(self, timing: Timing, num_frames: int) -> Any:
        ends = jnp.cumsum(timing.durations, 1)
        which = jax.vmap(lambda row: jnp.searchsorted(row, jnp.arange(num_frames), side="right"))(ends)
        return jnp.take_along_axis(timing.hidden, jnp.minimum(which, ends.shape[1] - 1)[:, :, None], 1)


class ToyVocoder(nn.Module):
    """y[t] = A x[t - 1] + B x[t] + C x[t + 1]; the discriminator is for training."""

    frontend: MelSpectrogram
    parts: bool = True

    def setup(self) -> None:
        self.generator = nn.Dense(HOP, use_bias=False)
        self.discriminator = nn.Dense(1)

    def __call__(self, mel: Any, num_frames: Any) -> Any:
        x = jnp.pad(zero_padding(mel, num_frames), ((0, 0), (1, 1), (0, 0)))
        return zero_padding(self.made(x), num_frames).reshape(x.shape[0], -1)

    def made(self, x: Any) -> Any:
        """The samples of all but the first and the last frame."""
        return self.generator(jnp.concatenate([x[:, :-2], x[:, 1:-1], x[:, 2:]], -1))

    def step(self, mel: Any, num_frames: Any, state: Any) -> Any:
        x = jnp.concatenate([state, zero_padding(mel, num_frames)], 1)
        return self.made(x).reshape(x.shape[0], -1), x[:, -2:]

    def all(self, mel: Any, num_frames: Any) -> Any:
        return self(mel, num_frames), self.discriminator(mel)


def _speech_task(model: ToySpeech) -> Task:
    def durations(variables: Any, *rest: Any) -> Timing:
        return model.apply(variables, *rest, method="durations")  # pyright: ignore

    def frames(variables: Any, *rest: Any) -> Any:
        return model.apply(variables, *rest, method="frames")

    def predict(variables: Any, batch: Any) -> SpokenFrames:
        ones = jnp.ones(batch.text.shape[0])
        timing = durations(variables, batch.text, batch.num_symbols, batch.speaker, ones, 0 * ones)
        return SpokenFrames(frames(variables, timing, batch.samples.shape[1] // HOP), timing.durations.sum(1))

    one = jnp.ones(1, jnp.int32)
    return Task(
        model=model,
        batch=Texts,
        init=lambda key: dict(model.init(key, one[:, None], one, one, one, one, method="durations")),
        phases=(),
        predict=predict,
        seconds=lambda batch: batch.index * 0.0,
        inference=Synthesis(
            sample_rate=RATE,
            hop=HOP,
            mel=model.frontend,
            vocab_size=model.vocab_size,
            num_speakers=model.num_speakers,
            durations=durations,
            frames=frames,
            styled=model.styled,
        ),
    )


def _vocoder_task(model: ToyVocoder) -> Task:
    def start(variables: Any, rows: Any) -> Any:
        return jnp.zeros((rows, 2, MELS))

    def step(variables: Any, *rest: Any) -> Any:
        return model.apply(variables, *rest, method="step")

    def vocode(variables: Any, *rest: Any) -> Any:
        return model.apply(variables, *rest)

    return Task(
        model=model,
        batch=Texts,
        init=lambda key: dict(model.init(key, jnp.zeros((1, 2, MELS)), jnp.array([2]), method="all")),
        phases=(),
        predict=lambda variables, batch: None,
        seconds=lambda batch: batch.index * 0.0,
        inference=Vocoding(
            RATE,
            HOP,
            model.frontend,
            vocode,
            incremental=IncrementalVocoding(1, start, step) if model.parts else None,
        ),
        used=lambda variables: without_parts(variables, "discriminator"),
    )


KINDS = {
    "toy_speech": Kind(
        ToySpeech, _speech_task, {"features": FEATURES}, values=dict.fromkeys(("vocab_size", "num_speakers", "styled"))
    ),
    "toy_vocoder": Kind(ToyVocoder, _vocoder_task, {"features": FEATURES}, values={"parts": None}),
}


@contextmanager
def toys_in_the_table() -> Iterator[None]:
    """Enters both models in the table of tasks."""
    builder.TASKS.update(KINDS)
    try:
        yield
    finally:
        for name in KINDS:
            del builder.TASKS[name]


def front_end() -> FrontEnd:
    return FrontEnd(SymbolTokenizer(SYMBOLS), Letters())


def archives(vocoder: Any = VOCODER) -> tuple[Archive, Archive]:
    """Both models, with random weights."""
    variables = [jax.device_get(build(model).init(jax.random.key(1))) for model in (SPEECH, vocoder)]
    assets = {"front_end": front_end(), "speakers": Classes(["ann", "bob"])}
    return Archive(SPEECH, assets, variables[0], {}), Archive(vocoder, {}, variables[1], {})


def toy_voice(vocoder: Any = VOCODER) -> Archive:
    return join_voice(*archives(vocoder))


def expected(variables: Any, ids: list[int], *, speaker: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The durations and samples of one sentence, in NumPy."""
    durations = np.array([1 + i % 3 for i in ids])
    params = jax.device_get(variables["params"])
    mel = np.repeat(params["speech"]["embed"]["embedding"][ids] + 10 * speaker, durations, 0)
    x = np.pad(mel, ((1, 1), (0, 0)))
    x = np.concatenate([x[:-2], x[1:-1], x[2:]], -1)
    return durations, (x @ params["vocoder"]["generator"]["kernel"]).ravel()
