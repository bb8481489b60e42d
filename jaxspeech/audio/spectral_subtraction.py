"""Subtracts a spectrum from sound, frame by frame: what remains of a vocoder's own hum (Boll, 1979, on noise).

X[n] = rfft of the samples n hop - 2 hop .. n hop + 2 hop,    Y[n] = X[n] max(|X[n]| - spectrum, 0) / |X[n]|

and the inverse transforms of Y are overlapped and averaged: the window is rectangular. Both ends are reflected. It is
the denoiser of HiFi-GAN in NeMo 3.0.0 (tts/models/hifigan.py: `_bias_denoise`) at a hop of 256 samples; here other hops
have frames of four hops too, sound can come in parts, and nothing depends on a batch.
"""

import numpy as np
from jaxtyping import Float

# Hops in a frame.
PARTS = 4


class SpectralSubtraction:
    """Takes sound in parts, and returns it a frame later; all together, the samples are as many as were given.

    Args:
      spectrum: magnitudes of the 2 hop + 1 bins, subtracted from those of each frame.
      hop: samples between two frames.
    """

    def __init__(self, spectrum: Float[np.ndarray, " F"], hop: int):
        self._spectrum, self._hop = np.asarray(spectrum, np.float32), hop
        self._half, self._size = PARTS * hop // 2, PARTS * hop
        self._waiting = np.zeros(0, np.float32)  # from the next frame's first sample on
        self._begun = False
        # Sums, and how many frames they are of, of the hops that later frames add to.
        self._sums = np.zeros((PARTS - 1, hop), np.float32)
        self._counts = np.zeros(PARTS - 1, np.float32)
        self._taken, self._given, self._first = 0, 0, self._half  # `_first`: samples to drop, which were reflected

    def feed(self, samples: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S_out"]:
        """The samples that are ready after these."""
        self._taken += len(samples)
        self._waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        if not self._begun:
            if len(self._waiting) <= self._half:
                return np.zeros(0, np.float32)
            self._begun, self._waiting = True, np.pad(self._waiting, (self._half, 0), mode="reflect")
        # The last samples are kept for their reflection.
        return self._given_out(self._frames(len(self._waiting)))

    def finish(self) -> Float[np.ndarray, " S_out"]:
        """The rest."""
        if not self._taken:
            return np.zeros(0, np.float32)
        before = 0 if self._begun else self._half
        # Up to whole hops, so that the last sample is in as many frames as the others.
        after = self._half + -self._taken % self._hop
        self._waiting = np.pad(self._waiting, (before, after), mode="reflect")
        ready = self._frames(len(self._waiting))
        rest = self._sums / np.maximum(self._counts, 1)[:, None]
        left = self._taken - self._given
        return self._given_out(np.concatenate([ready, rest.reshape(-1)]))[:left]

    def _frames(self, size: int) -> Float[np.ndarray, " S_out"]:
        """Processes all frames that are complete, and returns the hops to which no later one adds."""
        count = max(0, (size - self._size) // self._hop + 1)
        if not count:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._waiting, self._size)[:: self._hop][:count]
        spectra = np.fft.rfft(frames)
        magnitudes = np.abs(spectra)
        kept = np.maximum(magnitudes - self._spectrum, 0) / np.maximum(magnitudes, np.finfo(np.float32).tiny)
        pieces = np.fft.irfft(spectra * kept, self._size).reshape(count, PARTS, self._hop)
        sums, counts = np.zeros((count + PARTS - 1, self._hop)), np.zeros(count + PARTS - 1)
        sums[: PARTS - 1], counts[: PARTS - 1] = self._sums, self._counts
        for j in range(PARTS):
            sums[j : j + count] += pieces[:, j]
            counts[j : j + count] += 1
        self._sums, self._counts = sums[count:].astype(np.float32), counts[count:].astype(np.float32)
        self._waiting = self._waiting[count * self._hop :]
        return (sums[:count] / counts[:count, None]).astype(np.float32).reshape(-1)

    def _given_out(self, samples: Float[np.ndarray, " S"]) -> Float[np.ndarray, " S_out"]:
        drop = min(self._first, len(samples))
        self._first -= drop
        self._given += len(samples) - drop
        return samples[drop:]


def subtract_spectrum(
    samples: Float[np.ndarray, " S"], spectrum: Float[np.ndarray, " F"], hop: int
) -> Float[np.ndarray, " S"]:
    """Subtracts a spectrum from a whole recording; see `SpectralSubtraction`."""
    one = SpectralSubtraction(spectrum, hop)
    return np.concatenate([one.feed(samples), one.finish()])


def spectrum_of_start(samples: Float[np.ndarray, " S"], hop: int) -> Float[np.ndarray, " F"]:
    """The magnitudes of the first frame, which is centred on the first sample."""
    half = PARTS * hop // 2
    return np.abs(np.fft.rfft(np.pad(samples[: half + 1], (half, 0), mode="reflect")[: 2 * half])).astype(np.float32)
