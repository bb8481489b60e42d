"""Reads recordings through an enhancer, which hears them before the model does."""

import threading
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.convert import Channel
from jaxspeech.audio.resample import resample
from jaxspeech.errors import SpeechError, as_speech_error
from jaxspeech.inference.enhanced_source import Source
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.read_ahead import read_recording


class EnhancedReading:
    """Reads recordings as `read_recording` does, and enhances them, one at a time.

    Args:
      enhance: a function (samples [S], rate) -> samples [S]; or, with an attribute `num_channels` other than 1,
        (samples [C S], rate) -> samples [S] or [M S], of which the first are taken.
    """

    def __init__(self, enhance: Any):
        self._enhance = enhance
        # Recordings are read in several threads, and each would need the memory of a batch.
        self._turn = threading.Lock()

    def read(
        self, recording: Recording, *, sample_rate: int, array_rate: int | None, channel: Channel
    ) -> Float[np.ndarray, " S"] | SpeechError:
        """Returns the samples, or the error that prevents reading or enhancing them; see `read_recording`."""
        heard_at = getattr(self._enhance, "sample_rate", sample_rate)
        rates: Any = {"array_rate": sample_rate if array_rate is None else array_rate}
        if getattr(self._enhance, "num_channels", 1) == 1:
            samples = read_recording(recording, sample_rate=heard_at, channel=channel, **rates)
        else:
            samples = self._all_channels(recording, heard_at, **rates)
        if isinstance(samples, SpeechError):
            return samples
        try:
            with self._turn:
                found = np.asarray(self._enhance(samples, heard_at), np.float32)
            return resample(found if found.ndim == 1 else found[0], heard_at, sample_rate)
        except Exception as error:
            return as_speech_error(error, recording.source)

    def _all_channels(
        self, recording: Recording, model_rate: int, *, array_rate: int
    ) -> Float[np.ndarray, "C S"] | SpeechError:
        source = Source(recording, model_rate=model_rate, array_rate=array_rate, channel=None)
        try:
            return np.concatenate(list(source.blocks()), axis=1)
        except Exception as error:
            return as_speech_error(error, recording.source)
        finally:
            source.close()
