"""Turns recordings into the ids of a codec, and back.

    codec = load("codec.nemo", Codec)
    coded = codec.encode(["a.wav", samples])          # coded[0].ids [C T]
    codec.decode(coded)[0].samples                    # as long as the recording
    codec.decode(ids)[0].samples                      # of whole frames
    stream = codec.decode_stream()                    # a causal codec

recordings -> rows of ids (inference/rows.py);  ids -> samples (inference/codec_windows.py)
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Unpack

import numpy as np
from jaxtyping import Int

from jaxspeech.archive import Archive
from jaxspeech.errors import AudioError, ConfigError, SpeechError
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.codec_stream import DecodeStream, EncodeStream
from jaxspeech.inference.codec_windows import CodecWindows
from jaxspeech.inference.coded import Decoded, Encoded
from jaxspeech.inference.options import RowOptions
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Row
from jaxspeech.pipelines.doors import with_bar
from jaxspeech.pipelines.pipeline import Pipeline
from jaxspeech.pipelines.recording_results import RecordingResults
from jaxspeech.tasks.kinds import Coding
from jaxspeech.types import Variables


class Codec(Pipeline):
    """A neural codec, without the discriminators of its training; `Pipeline` documents what all pipelines have."""

    takes = Coding

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is not a codec.
        """
        super().__init__(archive, dtype=dtype)
        kind = self.task.inference
        self._windows = CodecWindows(kind, self.model.reach)
        self._results = RecordingResults(
            "encode",
            Programs(self.task, kind.encode, name="encode", config=self.config),
            sample_rate=kind.sample_rate,
            make=self._encoded,
            failed=_failed,
            long=self._long,
        )

    @property
    def sample_rate(self) -> int:
        """In Hz, of the samples that are decoded. Recordings of other rates are resampled."""
        return self.task.inference.sample_rate

    @property
    def frame_samples(self) -> int:
        """The number of samples of a frame."""
        return self.task.inference.frame_samples

    @property
    def num_codebooks(self) -> int:
        """C, the ids of a frame."""
        return self.task.inference.num_codebooks

    @property
    def codebook_size(self) -> int:
        """The number of different ids of a codebook."""
        return self.task.inference.codebook_size

    @property
    def bits_per_second(self) -> float:
        """What plain numbers for the ids take."""
        return self.num_codebooks * math.log2(self.codebook_size) * self.sample_rate / self.frame_samples

    def encode(self, inputs: Any, *, progress: bool = False, **options: Unpack[RowOptions]) -> list[Encoded]:
        """Computes the ids of all inputs, in order. They do not depend on the other inputs.

        Args:
          inputs, options: recordings, and how they are read; see `RecordingResults.of`.
          progress: show a bar.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        results = self.encode_iter(inputs, **options)
        return list(with_bar(results, inputs) if progress else results)

    def encode_iter(self, inputs: Any, **options: Unpack[RowOptions]) -> Iterator[Encoded]:
        """Like `encode`, but yields each result as soon as it and all earlier ones are ready, in bounded memory."""
        return self._results.of(self.variables, inputs, options)

    def decode(self, codes: Any, *, progress: bool = False) -> list[Decoded]:
        """Computes the samples of ids.

        Args:
          codes: ids [C T], a result of `encode`, or an iterable of these. The samples of a result are as many as those
            that were encoded, of ids as many as whole frames have.
          progress: show a bar.

        Raises:
          ConfigError: what is given is not ids of this codec; the message is one line.
        """
        results = self.decode_iter(codes)
        return list(with_bar(results, codes) if progress else results)

    def decode_iter(self, codes: Any) -> Iterator[Decoded]:
        """Like `decode`, but yields each result as soon as it is ready."""
        one = isinstance(codes, Encoded) or hasattr(codes, "shape")
        if not one and (isinstance(codes, str | bytes | Mapping) or not isinstance(codes, Iterable)):
            raise ConfigError(f"decode takes ids [C T] or results of encode, not {type(codes).__name__}")
        return self._decoded([codes] if one else codes)

    def decode_stream(self) -> DecodeStream:
        """Opens a stream: `stream.feed(ids)` returns the samples of the next frames at once.

        Raises:
          ConfigError: the decoder is not causal.
        """
        if self.model.decoder.padding != "causal":
            raise ConfigError("this codec cannot decode live: its decoder is not causal (model.decoder.padding)")
        return DecodeStream(self.model, self.variables)

    def encode_stream(self) -> EncodeStream:
        """Opens a stream: `stream.feed(samples)` returns the ids of whole frames, `finish()` the rest.

        The samples are at the model's rate.

        Raises:
          ConfigError: the encoder is not causal.
        """
        if self.model.encoder.padding != "causal":
            raise ConfigError("this codec cannot encode live: its encoder is not causal (model.encoder.padding)")
        return EncodeStream(self.model, self.variables)

    def checked(self, ids: Any, source: str = "ids") -> Int[np.ndarray, "C T"]:
        """Checks ids.

        Raises:
          ConfigError: they are not ids of this codec.
        """
        found = np.asarray(ids)
        if found.ndim != 2 or found.shape[0] != self.num_codebooks or found.dtype.kind not in "iu":
            raise ConfigError(
                f"{source}: an array of {found.dtype} with the shape {found.shape}; this codec has whole numbers "
                f"[{self.num_codebooks} T]"
            )
        if found.size and not 0 <= found.min() <= found.max() < self.codebook_size:
            raise ConfigError(
                f"{source}: ids from {found.min()} to {found.max()}; this codec has those from 0 to "
                f"{self.codebook_size - 1}"
            )
        return found.astype(np.int32)

    def _decoded(self, codes: Iterable[Any]) -> Iterator[Decoded]:
        for i, each in enumerate(codes):
            source = each.source if isinstance(each, Encoded) else f"ids {i}"
            if isinstance(each, Encoded) and each.error is not None:
                raise ConfigError(f"{source}: was not encoded ({each.error})")
            ids = self.checked(each.ids if isinstance(each, Encoded) else each, source)
            samples = self._windows.decode(self.variables, ids)
            if isinstance(each, Encoded) and each.num_samples:
                samples = samples[: each.num_samples]
            yield Decoded(source, len(samples) / self.sample_rate, samples, self.sample_rate)

    def _long(self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        """Encodes a long recording."""
        [i] = shape.indices
        ids = self._windows.encode(variables, audio[i])
        return (ids[None], np.array([ids.shape[1]])), ""

    def _encoded(self, row: Row[Any]) -> Encoded:
        source, size = row.recording.source, len(row.samples)
        if row.prediction is None:
            raise AudioError(f"{source}: holds no samples")
        ids, frames = row.prediction
        return Encoded(source, size / self.sample_rate, ids[:, :frames], size, note=row.note)


def _failed(row: Row[Any], error: SpeechError) -> Encoded:
    return Encoded(row.recording.source, 0.0, np.zeros((0, 0), np.int32), error=str(error))
