"""Turns mel frames to samples on the host: batches of rows at once, or one row part by part.

    vocode    mel frames [B T F]         -> samples [B S]
    step      mel frames [1 T F], state  -> samples [1 S], state

With `denoise`, that share of what the vocoder makes of a mel of zeros is subtracted from the spectra of its samples
(`audio.spectral_subtraction`).
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.audio.spectral_subtraction import SpectralSubtraction, spectrum_of_start, subtract_spectrum
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.inference.programs import shapes_of
from jaxspeech.tasks.kinds import Vocoding
from jaxspeech.types import Variables

# Padded numbers of frames are three in an octave, from 8 on, and from 512 on eight (see `inference.batching`).
FRAMES = 16
# Frames of a mel of zeros: more than the start of what is made of them depends on.
QUIET = 64
# Frames of a part: a third of a second at the usual rate.
PART = 32


class Vocoder:
    """The compiled programs of a vocoder, each once for each padded shape.

    Args:
      vocoding: its functions.
      programs: of its model.
    """

    def __init__(self, vocoding: Vocoding, programs: KeptPrograms):
        self.kind, self._programs = vocoding, programs
        self._jitted: dict[Hashable, Any] = {}
        self._own: tuple[Any, Float[np.ndarray, " F"]] | None = None  # spectrum, and the variables that it is of

    def rows(
        self,
        variables: Variables,
        mel: Float[Any, "B T F"],
        num_frames: Int[np.ndarray, " B"],
        *,
        wanted: int | None = None,
        denoise: float = 0.0,
    ) -> list[Float[np.ndarray, " S"]]:
        """The samples of each row.

        Args:
          variables: of the model.
          mel: T is a padded number of frames.
          num_frames: of each row.
          wanted: number of the first rows that are wanted, the others are fillers; None: all.
          denoise: see the top of this file.
        """
        made = self._vocode(variables, mel, num_frames)
        rows = [made[row, : self.kind.hop * count].copy() for row, count in enumerate(num_frames[:wanted])]
        if not denoise:
            return rows
        spectrum = denoise * self._own_spectrum(variables)
        return [subtract_spectrum(row, spectrum, self.kind.hop) for row in rows]

    def in_parts(
        self, variables: Variables, mel: Float[np.ndarray, "T F"], *, denoise: float = 0.0
    ) -> Iterator[Float[np.ndarray, " S"]]:
        """The samples of one row, part by part; all at once, if the model cannot."""
        if self.kind.incremental is None:
            yield from self.rows(variables, mel[None], np.array([len(mel)], np.int32), denoise=denoise)
            return
        yield from VocodeStream(self, variables, denoise=denoise).all_of([mel])

    def start(self, variables: Variables) -> Any:
        """The state before the first frame."""
        parts = self.kind.incremental
        assert parts is not None
        if "start" not in self._jitted:
            self._jitted["start"] = jax.jit(lambda variables: parts.start(variables, 1))
        return self._jitted["start"](variables)

    def step(self, variables: Variables, mel: Any, num_frames: Any, state: Any) -> tuple[Float[Array, "1 S"], Any]:
        """Takes a step."""
        parts = self.kind.incremental
        assert parts is not None
        # Not a kept program: its call takes longer than a short step computes.
        key = ("step", shapes_of((mel, state)))
        if key not in self._jitted:
            self._jitted[key] = jax.jit(parts.step)
        return self._jitted[key](variables, mel, num_frames, state)

    def subtraction(self, variables: Variables, denoise: float) -> SpectralSubtraction | None:
        """What takes the vocoder's own sound out of a stream; None if nothing does."""
        return SpectralSubtraction(denoise * self._own_spectrum(variables), self.kind.hop) if denoise else None

    def _vocode(self, variables: Variables, mel: Any, num_frames: Int[np.ndarray, " B"]) -> Float[np.ndarray, "B S"]:
        what = f"{mel.shape[1] * self.kind.hop / self.kind.sample_rate:.2g} s of sound"
        arguments = variables, mel, num_frames.astype(np.int32)
        return np.asarray(self._programs.run("vocode", self.kind.vocode, arguments, what), np.float32)

    def _own_spectrum(self, variables: Variables) -> Float[np.ndarray, " F"]:
        """The magnitudes of what the vocoder makes of a mel of zeros."""
        if self._own is None or self._own[0] is not variables:
            zeros = np.zeros((1, QUIET, self.kind.mel.num_mels), np.float32)
            samples = self._vocode(variables, zeros, np.array([QUIET]))[0]
            self._own = variables, spectrum_of_start(samples, self.kind.hop)
        return self._own[1]


class VocodeStream:
    """Turns mel frames to samples as they come: `feed(mel)` returns samples, `finish()` the last ones.

    Args:
      vocoder: its programs; it works part by part.
      variables: of its model.
      denoise: see the top of this file.
    """

    def __init__(self, vocoder: Vocoder, variables: Variables, *, denoise: float = 0.0):
        parts = vocoder.kind.incremental
        assert parts is not None
        self._vocoder, self._variables, self._state = vocoder, variables, vocoder.start(variables)
        self._waiting = np.zeros((0, vocoder.kind.mel.num_mels), np.float32)
        self._late: Any = parts.delay * vocoder.kind.hop  # samples still to be dropped
        self._left = 0  # samples that are still to come
        self._clean = vocoder.subtraction(variables, denoise)

    def feed(self, mel: Float[np.ndarray, "T F"]) -> Float[np.ndarray, " S"]:
        """The samples that are ready after these frames, of any number."""
        return np.concatenate([np.zeros(0, np.float32), *self._fed(mel)])

    def finish(self) -> Float[np.ndarray, " S"]:
        """The rest."""
        return np.concatenate([np.zeros(0, np.float32), *self._rest()])

    def all_of(self, mels: Iterable[Float[np.ndarray, "T F"]]) -> Iterator[Float[np.ndarray, " S"]]:
        """The samples of all these frames, each part as soon as it is ready."""
        for mel in mels:
            yield from filter(len, self._fed(mel))
        yield from filter(len, self._rest())

    def _fed(self, mel: Float[np.ndarray, "T F"]) -> Iterator[Float[np.ndarray, " S"]]:
        self._waiting = np.concatenate([self._waiting, np.asarray(mel, np.float32)])
        self._left += len(mel) * self._vocoder.kind.hop
        while len(self._waiting) >= PART:
            part, self._waiting = self._waiting[:PART], self._waiting[PART:]
            yield self._cleaned(self._step(part))

    def _rest(self) -> Iterator[Float[np.ndarray, " S"]]:
        rest, self._waiting = self._waiting, self._waiting[:0]
        # What follows the last frame only brings out what is late.
        while len(rest) or self._left:
            yield self._cleaned(self._step(rest))
            rest = rest[:0]
        if self._clean is not None:
            yield self._clean.finish()

    def _step(self, mel: Float[np.ndarray, "T F"]) -> Float[np.ndarray, " S"]:
        part = np.zeros((1, PART, mel.shape[1]), np.float32)
        part[0, : len(mel)] = mel
        count = np.array([len(mel)], np.int32)
        made, self._state = self._vocoder.step(self._variables, part, count, self._state)
        samples = np.asarray(made, np.float32)[0, self._late :][: self._left]
        self._late = max(0, self._late - made.shape[1])
        self._left -= len(samples)
        return samples

    def _cleaned(self, samples: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S_out"]:
        return samples if self._clean is None else self._clean.feed(samples)
