"""A text-to-mel model without training: each symbol has a spectrum, and takes as many frames as its number says."""

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxspeech.archive import save_archive
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.masks import zero_padding
from jaxspeech.tasks.kinds import Synthesis, Timing
from jaxspeech.tasks.parts import FEATURES, Kind
from jaxspeech.tasks.task import Task
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters
from jaxspeech.text.symbols import SymbolTokenizer

NAME = "toy_speech"
SYMBOLS = (" ", "a", "b", "c", "<pad>")
FEATURES_16 = {"name": "mel", "num_mels": 16, "dither": 0.0, "normalize": "none"}
MODEL = {"task": NAME, "features": FEATURES_16}


class ToySpeech(nn.Module):
    frontend: MelSpectrogram

    @nn.compact
    def __call__(self) -> Any:
        return self.param("spectra", nn.initializers.normal(), (len(SYMBOLS), self.frontend.num_mels))


def durations(variables: Any, text: Any, num_symbols: Any, speaker: Any, pace: Any, pitch_shift: Any) -> Timing:
    frames = jnp.floor((10 + 4 * text + speaker[:, None]) / pace[:, None] + 0.5).astype(jnp.int32)
    return Timing(zero_padding(frames, num_symbols), (text, speaker))


def frames(variables: Any, timing: Timing, num_frames: Any) -> Any:
    text, speaker = timing.hidden
    ends = jnp.cumsum(timing.durations, 1)
    which = (jnp.arange(num_frames)[None, :, None] >= ends[:, None]).sum(-1).clip(0, text.shape[1] - 1)
    symbols = jnp.take_along_axis(jnp.clip(text, 0, len(SYMBOLS) - 1), which, 1)
    return variables["params"]["spectra"][symbols] + 0.1 * speaker[:, None, None]


def toy_task(model: ToySpeech) -> Task:
    mel = model.frontend
    return Task(
        model=model,
        batch=tuple,  # never trained
        init=lambda key: dict(model.init(key)),
        phases=(),
        predict=lambda variables, batch: None,
        seconds=lambda batch: 0.0,
        inference=Synthesis(mel.sample_rate, mel.hop_and_fft[0], mel, len(SYMBOLS), 3, durations, frames),
    )


KIND = Kind(ToySpeech, toy_task, {"features": FEATURES})
# Never trained by itself.
JOB: Any = None
ASSETS: dict[str, Any] = {}
FRONT_END = FrontEnd(SymbolTokenizer(SYMBOLS), Letters())


def save_toy(path: Path) -> Path:
    """Writes an archive of the model, whose symbols look in mel frames like the tones of the same letters."""
    spectra = np.random.default_rng(0).normal(size=(len(SYMBOLS), 16)).astype(np.float32)
    save_archive(path, model=MODEL, assets={"front_end": FRONT_END}, variables={"params": {"spectra": spectra}})
    return path
