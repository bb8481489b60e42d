"""Enhances recordings: load a model, clean anything, of any length.

    clean = load("clean.jaxspeech", Enhancer)
    clean.enhance("noisy.wav")[0].samples
    clean.enhance("noisy", output="clean")              # files like those in the folder
    stream = clean.stream(sample_rate=48000)            # live

recordings -> windows or a stream (inference/enhancing.py) -> samples or files
"""

import dataclasses
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack, get_args

import numpy as np
from jaxtyping import Float

from jaxspeech.archive import Archive
from jaxspeech.audio.convert import Channel
from jaxspeech.errors import ConfigError, OutputError, did_you_mean
from jaxspeech.forms.beamforming import beamforming
from jaxspeech.forms.enhancement_streaming import enhancement_streaming, what_prevents
from jaxspeech.inference.enhance_jobs import Done, Settings
from jaxspeech.inference.enhance_programs import EnhancePrograms
from jaxspeech.inference.enhance_stream import EnhanceStream
from jaxspeech.inference.enhanced_files import Folder, Memory, Placed, place_recordings
from jaxspeech.inference.enhancing import Enhancing
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import OnError
from jaxspeech.inference.windows import Cut
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.tasks.kinds import Enhancement

CHUNK_SECONDS, OVERLAP_SECONDS = 10.0, 2.0
# A recogniser is disturbed less by the rest of the noise than by what a model of one channel does to speech, so some of
# the recording is left in (Iwamoto et al., "How Bad Are Artifacts?", 2022). benchmarks/RESULTS.md has the error rates.
RECOGNITION_MIX = 0.6


class EnhanceOptions(TypedDict, total=False):
    """Options of `Enhancer.enhance` and `enhance_iter`.

    Attributes:
      batch_size: maximum number of rows in a batch, 16 by default; together they are 40 s at most.
      sample_rate: of arrays, in Hz; the model's by default. Files contain theirs.
      channel: the only one that is enhanced, from 0, or "mean" of all; None, the default: all of them.
      on_error: "raise" at the first recording that cannot be used (the default), or "skip": its result is empty and
        says why in `error`.
      chunk_seconds: longer recordings are processed in windows of this length, 10 s by default. A causal model needs no
        windows, and gives the same for any length.
      overlap_seconds: of two windows, 2 s by default; at most half of a window.
      attenuation_limit_db: noise is lowered by no more than this; None, the default: there is no limit.
      mix: the share of the enhanced sound in the result, 1 by default; the rest is the recording.
    """

    batch_size: int
    sample_rate: int | None
    channel: Channel | None
    on_error: OnError
    chunk_seconds: float
    overlap_seconds: float
    attenuation_limit_db: float | None
    mix: float


class Enhanced(NamedTuple):
    """One enhanced recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: in seconds.
      samples: [S], or [C S] of several channels, at the rate of the recording and as long as it; empty if they are in
        a file, or there is an error.
      sample_rate: in Hz.
      path: of the file that was written, if there is one.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how it was computed, if there is something to report.
    """

    source: str
    duration: float
    samples: Float[np.ndarray, "*channels S"]
    sample_rate: int
    path: Path | None = None
    error: str | None = None
    note: str | None = None


class Enhancer(Pipeline):
    """An enhancement model; what all pipelines have is documented at `Pipeline`."""

    takes = Enhancement

    def __init__(self, archive: Archive, *, dtype: str | None = None, beamform: bool = False):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.
          beamform: with a model of one channel, whether the microphones of a recording are combined into one channel
            by what the model finds in each (`forms.beamforming`), rather than enhanced one by one. Not live.

        Raises:
          ConfigError: it is not an enhancement model, or takes several channels by itself.
        """
        super().__init__(archive, dtype=dtype)
        self._beamforms = beamform
        if beamform:
            self.task = dataclasses.replace(self.task, inference=beamforming(self.task.inference))
        self._streaming = None if beamform or what_prevents(self.task) else enhancement_streaming(self.task)
        # A beamformer's programs are not those of the model, and are not kept under its name.
        self._programs = EnhancePrograms(self.task, config={} if beamform else self.config)

    @property
    def sample_rate(self) -> int:
        """That of the model, in Hz. Recordings of other rates are resampled, and the results back."""
        return self.task.inference.sample_rate

    @property
    def num_channels(self) -> int | None:
        """Of the recordings that the model takes; 1: each channel is enhanced by itself; None: any number together."""
        return self.task.inference.channels

    def enhance(
        self,
        inputs: Any,
        *,
        output: str | os.PathLike[str] | None = None,
        progress: bool = False,
        **options: Unpack[EnhanceOptions],
    ) -> list[Enhanced]:
        """Enhances all inputs, in order. A result does not depend on the other inputs.

        Args:
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C] or
            [C S]; float in [-1, 1], or integers), or an iterable of all these.
          output: a folder for files of the same format, rate, length and names; the structure of folders is kept, and
            no two results have one name. One recording can also be written to a file. None: the samples are in the
            results, which are as long as the recordings.
          progress: show a bar.
          options: see `EnhanceOptions`: batch_size, sample_rate, channel, on_error, chunk_seconds, overlap_seconds,
            attenuation_limit_db, mix.

        Raises:
          SpeechError: an input or option is invalid, or a file cannot be written; the message is one line.
        """
        results = self.enhance_iter(inputs, output=output, **options)
        return list(with_bar(results, inputs) if progress else results)

    def enhance_iter(
        self, inputs: Any, *, output: str | os.PathLike[str] | None = None, **options: Unpack[EnhanceOptions]
    ) -> Iterator[Enhanced]:
        """Like `enhance`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        settings, on_error = self._settings(dict(options))
        return self._results(place_recordings(inputs), output, settings, on_error)

    def stream(
        self,
        *,
        sample_rate: int | None = None,
        attenuation_limit_db: float | None = None,
        mix: float = 1.0,
        step: int = 1,
    ) -> EnhanceStream:
        """Opens a live stream: `stream.feed(samples)` returns enhanced samples, `finish()` the last ones.

        Args:
          sample_rate: of the samples, in Hz; None: the model's.
          attenuation_limit_db, mix: as in `EnhanceOptions`.
          step: hops of the model that are processed together: more cost less, and add their length to the delay.

        Raises:
          ConfigError: the model cannot run live; the message says why.
        """
        if not isinstance(step, int) or step < 1:
            raise ConfigError(f"step is {step!r}; it must be a number of hops, 1 or more")
        if self._beamforms:
            raise ConfigError("beamform: not live; leave it out, and each channel is enhanced by itself")
        streaming = enhancement_streaming(self.task)
        wet = wet_share(attenuation_limit_db, mix)
        return EnhanceStream(streaming, self._programs, self.variables, sample_rate=sample_rate, wet=wet, step=step)

    def __call__(self, samples: Any, sample_rate: int) -> Float[np.ndarray, "*channels S"]:
        """Enhances one recording, as an `enhance` for `Recognizer.transcribe`; see `RECOGNITION_MIX`."""
        mix = RECOGNITION_MIX if self.num_channels == 1 else 1.0
        [found] = self.enhance([samples], sample_rate=sample_rate, mix=mix)
        return found.samples

    def _settings(self, options: dict[str, Any]) -> tuple[Settings, OnError]:
        """Checks the options of a call."""
        known = EnhanceOptions.__annotations__
        for name in options:
            if name not in known:
                raise TypeError(f"enhance() got an unexpected keyword argument {name!r}{did_you_mean(name, known)}")
        on_error = options.get("on_error", "raise")
        if on_error not in get_args(OnError):
            raise ConfigError(f"on_error is {on_error!r}; it can be raise or skip")
        batch_size = options.get("batch_size", 16)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size!r}; it must be at least 1")
        chunk = options.get("chunk_seconds", CHUNK_SECONDS)
        overlap = options.get("overlap_seconds", min(OVERLAP_SECONDS, chunk / 2))
        if not chunk >= 0.5:
            raise ConfigError(f"chunk_seconds is {chunk:g}; it must be at least 0.5")
        if not 0 <= overlap <= chunk / 2:
            raise ConfigError(f"overlap_seconds is {overlap:g}; it must be from 0 to half of a chunk, {chunk / 2:g}")
        # Windows begin with a frame, so that they have the frames of the whole recording.
        hop = getattr(getattr(self.model, "stft", None), "hop", 1)
        rounded = [round(seconds * self.sample_rate / hop) * hop for seconds in (chunk, overlap)]
        settings = Settings(
            Cut(*rounded),
            wet_share(options.get("attenuation_limit_db"), options.get("mix", 1.0)),
            batch_size,
            options.get("sample_rate"),
            options.get("channel"),
        )
        return settings, on_error

    def _results(
        self, found: Iterator[Placed], output: Any, settings: Settings, on_error: OnError
    ) -> Iterator[Enhanced]:
        folder = None
        if output is not None:
            is_file = bool(Path(output).suffix) and not Path(output).is_dir()
            placed = list(found) if is_file else []
            is_file = is_file and len(placed) == 1
            found = iter(placed) if placed else found
            folder = Folder(output, is_file=is_file)
            if Path(output).exists() and not Path(output).is_dir() and not is_file:
                raise OutputError(f"{output}: is a file; several results need a folder")
        waiting: list[tuple[Memory | None, Path | None]] = []

        def with_sinks() -> Iterator[tuple[Recording, Any]]:
            for recording, place in found:
                if folder is None:
                    waiting.append((memory := Memory(), None))
                    yield recording, memory.write
                else:
                    waiting.append((None, path := folder.path_of(place)))
                    yield recording, partial(folder.write, path, recording)

        enhancing = Enhancing(self._programs, self.task.inference, self._streaming)
        for done in enhancing.run(self.variables, with_sinks(), settings):
            memory, path = waiting.pop(0)
            if done.error is not None and on_error == "raise":
                raise done.error
            yield self._enhanced(done, memory, path)

    def _enhanced(self, done: Done, memory: Memory | None, path: Path | None) -> Enhanced:
        rate = done.stored.rate if done.stored is not None else self.sample_rate
        source, empty = done.recording.source, np.zeros(0, np.float32)
        if done.error is not None:
            return Enhanced(source, 0.0, empty, rate, error=str(done.error))
        samples = empty if memory is None else memory.samples()
        samples = samples[0] if samples.ndim == 2 and samples.shape[0] == 1 else samples
        return Enhanced(source, done.length / rate, samples, rate, path)


def wet_share(attenuation_limit_db: float | None, mix: float) -> float:
    """The share of enhanced samples: noise that a model removes is left with 1 - share of its amplitude.

    Raises:
      ConfigError: an option is out of its range.
    """
    if not 0.0 <= mix <= 1.0:
        raise ConfigError(f"mix is {mix!r}; it must be from 0 (the recording) to 1 (enhanced)")
    if attenuation_limit_db is None:
        return float(mix)
    if not attenuation_limit_db >= 0.0:
        raise ConfigError(f"attenuation_limit_db is {attenuation_limit_db!r}; it must be 0 dB or more")
    return float(mix) * (1.0 - 10.0 ** (-attenuation_limit_db / 20))
