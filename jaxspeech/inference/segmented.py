"""Transcribes a long recording in segments cut at its silences, and joins their tokens.

The model never sees more than one segment, as in most of its training, and silence is not transcribed at all.
"""

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.audio.voice_activity import VoiceActivity
from jaxspeech.inference.part_tokens import join_tokens
from jaxspeech.inference.recognised_parts import PartRecogniser
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer


def predict_segments(
    recognise: PartRecogniser,
    tokenizer: Tokenizer,
    samples: Float[np.ndarray, " S"],
    voice_activity: VoiceActivity,
) -> tuple[Prediction, str]:
    """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

    Args:
      recognise: the model.
      tokenizer: the model's tokenizer; if it has a space, that separates the segments' texts.
      samples: the recording.
      voice_activity: finds the speech.

    Raises:
      AudioError: a batch of segments does not fit in memory.
    """
    rate = recognise.recognition.sample_rate
    frame = round(recognise.recognition.frame_seconds * rate)
    spans = cut_at_silences(samples, rate, voice_activity(samples, rate))
    # Segments begin on frame boundaries of the recording, so that their frames match its own and none is in two.
    first_frames = [int(start * rate) // frame for start, _ in spans]
    borders = [*(first * frame for first in first_frames[1:]), len(samples)]
    ends = [min(round(end * rate), border) for (_, end), border in zip(spans, borders, strict=False)]
    parts = enumerate(zip(first_frames, ends, strict=True))
    audio = {i: samples[a * frame : b] for i, (a, b) in parts if b - a * frame >= frame}
    found = recognise(audio, dict(enumerate(first_frames)))
    joined = join_tokens(list(found.tokens.values()), tokenizer)
    return found.rest._replace(tokens=joined), f"in {len(spans)} segments between silences{found.how}"
