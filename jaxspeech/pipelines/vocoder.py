"""Makes samples of mel frames: load a vocoder, give it frames, or recordings to make again.

    vocoder = load("hifigan.nemo", Vocoder)
    vocoder.vocode(mel)[0].samples                      # mel [T F], or a list of these
    vocoder.resynthesize(["a.wav", samples])[0].samples # of their own mel frames: how good a vocoder can be
    stream = vocoder.stream()                           # live

mel frames -> batches of similar length -> samples (inference/vocoding.py)
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.inference.options import RowOptions
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Row, in_order
from jaxspeech.inference.vocoding import FRAMES, VocodeStream
from jaxspeech.inference.vocoding import Vocoder as Running
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.pipelines.recording_results import RecordingResults
from jaxspeech.tasks.kinds import Vocoding
from jaxspeech.tasks.vocoder_model import mel_frames
from jaxspeech.types import Variables

# Mel frames that are taken from an iterable at once, of which those of similar length are computed together.
WINDOW = 64
# A longer mel goes through the vocoder part by part, if it can, so that memory does not depend on its length.
MOST_FRAMES = 4096


class Vocoded(NamedTuple):
    """Samples of mel frames.

    Attributes:
      source: "mel 0", "mel 1", ..., or of the recording that was made again.
      duration: in seconds.
      samples: [S], float32 in [-1, 1]; empty if there is an error.
      sample_rate: in Hz.
      error: with `on_error="skip"`, one line that says why there is no result.
      note: one line about how they were made, if there is something to report.
    """

    source: str
    duration: float
    samples: Float[np.ndarray, " S"]
    sample_rate: int
    error: str | None = None
    note: str | None = None


class Vocoder(Pipeline):
    """A vocoder, without the discriminators of its training; `Pipeline` documents what all pipelines have."""

    takes = Vocoding

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a vocoder.
        """
        super().__init__(archive, dtype=dtype)
        kind = self.task.inference
        self._vocoder = Running(kind, KeptPrograms(self.task, config=self.config))
        self._results = RecordingResults(
            "resynthesize",
            Programs(self.task, self._again, name="resynthesize", config=self.config),
            sample_rate=kind.sample_rate,
            make=self._made_again,
            failed=self._failed,
            shortest=kind.hop,
            long=self._long,
        )

    @property
    def sample_rate(self) -> int:
        """Of the samples, in Hz."""
        return self.task.inference.sample_rate

    @property
    def hop(self) -> int:
        """Samples of each mel frame."""
        return self.task.inference.hop

    @property
    def num_mels(self) -> int:
        """F, the numbers of each mel frame."""
        return self.task.inference.mel.num_mels

    def vocode(
        self, mels: Any, *, denoise: int | float = 0.0, batch_size: int = 8, progress: bool = False
    ) -> list[Vocoded]:
        """Makes samples of mel frames. A result does not depend on the others.

        Args:
          mels: mel frames [T F] as `mel` computes them, or an iterable of these.
          denoise: how much of the vocoder's own hum is subtracted; 0.0025 is usual for HiFi-GAN, as in NeMo.
          batch_size: maximum number of rows in a batch.
          progress: show a bar.

        Raises:
          ConfigError: these are no mel frames of this vocoder, or an option is invalid; the message is one line.
        """
        results = self.vocode_iter(mels, denoise=denoise, batch_size=batch_size)
        return list(with_bar(results, mels) if progress else results)

    def vocode_iter(self, mels: Any, *, denoise: int | float = 0.0, batch_size: int = 8) -> Iterator[Vocoded]:
        """Like `vocode`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        check_denoise(denoise)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size!r}; it must be at least 1")
        one = hasattr(mels, "shape")
        if not one and (isinstance(mels, str | bytes | Mapping) or not isinstance(mels, Iterable)):
            raise ConfigError(f"vocode takes mel frames [T {self.num_mels}], not {type(mels).__name__}")
        return self._vocoded(iter([mels] if one else mels), denoise, batch_size)

    def mel(self, recording: Any) -> Float[np.ndarray, "T F"]:
        """Computes the mel frames of samples [S] at the vocoder's rate, one for each whole hop."""
        samples = np.asarray(recording, np.float32)
        if samples.ndim != 1:
            raise ConfigError(f"mel takes samples [S] at {self.sample_rate} Hz, not an array {samples.shape}")
        frames, num_frames = mel_frames(self.task.inference.mel.bind({}), samples[None], np.array([len(samples)]))
        return np.asarray(frames[0, : int(num_frames[0])])

    def resynthesize(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Vocoded]:
        """Makes recordings again from their own mel frames, in order ("copy synthesis").

        Args:
          inputs, options: recordings, and how they are read; see `RecordingResults.of`.
          progress: show a bar.

        Returns:
          As many whole hops of samples as each recording has, at the vocoder's rate.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.resynthesize_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def resynthesize_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Vocoded]:
        """Like `resynthesize`, but yields each result as soon as it and all earlier ones are ready."""
        return self._results.of(self.variables, inputs, options)

    def stream(self, *, denoise: int | float = 0.0) -> VocodeStream:
        """Opens a stream: `stream.feed(mel)` returns the samples that are ready, `finish()` the last ones.

        Together they are the samples of `vocode`.

        Raises:
          ConfigError: this vocoder cannot work part by part.
        """
        check_denoise(denoise)
        if self.task.inference.incremental is None:
            raise ConfigError("this vocoder cannot work part by part")
        return VocodeStream(self._vocoder, self.variables, denoise=denoise)

    def _again(
        self, variables: Variables, samples: Float[Any, "B S"], num_samples: Int[Any, " B"]
    ) -> tuple[Float[Array, "B S_out"], Int[Array, " B"]]:
        kind = self.task.inference
        mel, num_frames = mel_frames(kind.mel.bind({}), samples, num_samples)
        return kind.vocode(variables, mel, num_frames), num_frames

    def _long(self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        """Makes a long recording again, part by part."""
        [i] = shape.indices
        parts = list(self._vocoder.in_parts(variables, self.mel(audio[i])))
        samples = np.concatenate([np.zeros(0, np.float32), *parts])
        return (samples[None], np.array([len(samples) // self.hop])), ""

    def _made_again(self, row: Row[Any]) -> Vocoded:
        if row.prediction is None:
            raise AudioError(f"{row.recording.source}: {len(row.samples)} samples are less than a frame, {self.hop}")
        samples, num_frames = row.prediction
        return self._result(row.recording.source, np.asarray(samples[: int(num_frames) * self.hop]), note=row.note)

    def _failed(self, row: Row[Any], error: SpeechError) -> Vocoded:
        return self._result(row.recording.source, np.zeros(0, np.float32), error=str(error))

    def _result(self, source: str, samples: Float[np.ndarray, " S"], **more: Any) -> Vocoded:
        return Vocoded(source, len(samples) / self.sample_rate, samples, self.sample_rate, **more)

    def _vocoded(self, mels: Iterator[Any], denoise: float, batch_size: int) -> Iterator[Vocoded]:
        window: list[tuple[str, Float[np.ndarray, "T F"]]] = []
        for number, mel in enumerate(mels):
            name = f"mel {number}"
            window.append((name, self._checked(mel, name)))
            if len(window) == WINDOW:
                yield from self._window(window, denoise, batch_size)
                window = []
        yield from self._window(window, denoise, batch_size)

    def _window(self, window: list[Any], denoise: float, batch_size: int) -> Iterator[Vocoded]:
        mels = dict(enumerate(mel for _, mel in window))
        in_parts = self.task.inference.incremental is not None
        alone = [i for i, mel in mels.items() if len(mel) > MOST_FRAMES and in_parts]
        lengths = {i: len(mel) for i, mel in mels.items() if i not in alone}

        def made() -> Iterator[tuple[int, Float[np.ndarray, " S"]]]:
            for i in alone:
                yield i, np.concatenate(list(self._vocoder.in_parts(self.variables, mels[i], denoise=denoise)))
            for shape in plan_batches(lengths, batch_size=batch_size, sample_rate=FRAMES):
                batch = np.zeros((shape.rows, shape.length, self.num_mels), np.float32)
                counts = np.zeros(shape.rows, np.int32)
                for row, i in enumerate(shape.indices):
                    batch[row, : len(mels[i])], counts[row] = mels[i], len(mels[i])
                wanted = len(shape.indices)
                rows = self._vocoder.rows(self.variables, batch, counts, wanted=wanted, denoise=denoise)
                yield from zip(shape.indices, rows, strict=True)

        for (source, _), samples in zip(window, in_order(made()), strict=True):
            if not np.isfinite(samples).all():
                raise AudioError(f"{source}: the vocoder's samples are not finite; was it trained?")
            yield self._result(source, samples)

    def _checked(self, mel: Any, source: str) -> Float[np.ndarray, "T F"]:
        found = np.asarray(jax.device_get(mel))
        if found.ndim != 2 or found.shape[1] != self.num_mels or found.dtype.kind not in "fiu":
            raise ConfigError(
                f"{source}: an array of {found.dtype} with the shape {found.shape}; this vocoder takes mel frames "
                f"[T {self.num_mels}], as many numbers in each"
            )
        if not np.isfinite(found).all():
            raise ConfigError(f"{source}: its mel frames are not all finite")
        return found.astype(np.float32)


def check_denoise(denoise: Any) -> None:
    """Checks the option `denoise`.

    Raises:
      ConfigError: it is no number from 0 to 1.
    """
    if isinstance(denoise, bool) or not isinstance(denoise, int | float) or not 0 <= denoise <= 1:
        raise ConfigError(f"denoise is {denoise!r}; it must be from 0 to 1")
