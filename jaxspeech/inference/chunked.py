"""Transcribes a long recording in chunks of 30 to 40 s, and joins their words.

Attention decoders are trained on recordings of this length; they lose their place in longer ones. The chunks cover the
whole recording. Two that meet in a silence are written one after the other; two that overlap are joined on the words,
or times, that both have.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.chunks import INAUDIBLE_DB, LONGEST_SECONDS, Chunk, cut_into_chunks, loudest
from jaxspeech.audio.voice_activity import Span, VoiceActivity
from jaxspeech.inference.joined_chunks import hear, join_chunks
from jaxspeech.inference.recognised_parts import PartRecogniser
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer


def predict_chunks(
    recognise: PartRecogniser,
    tokenizer: Tokenizer,
    samples: Float[np.ndarray, " S"],
    voice_activity: VoiceActivity,
) -> tuple[Prediction, str]:
    """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

    Args:
      recognise: the model.
      tokenizer: the model's tokenizer; if it has a space, that separates the chunks' texts.
      samples: the recording.
      voice_activity: finds the speech, and so the silences where chunks can end.

    Raises:
      AudioError: a batch of chunks does not fit in memory.
    """
    rate = recognise.recognition.sample_rate
    frame = round(recognise.recognition.frame_seconds * rate)
    speech = voice_activity(samples, rate)
    chunks = cut_into_chunks(samples, rate, speech, frame=frame)
    spoken = [_clip(speech, chunk, rate) for chunk in chunks]
    # A chunk is left out if it is silent for the detector and for anybody: such models invent words in silence.
    audio = {
        i: samples[a:b] for i, (a, b) in enumerate(chunks) if spoken[i] or loudest(samples[a:b], rate) > INAUDIBLE_DB
    }
    found = recognise(audio, {i: chunk.start // frame for i, chunk in enumerate(chunks)}, alike=True)
    # Where the detector finds nothing, anywhere in the chunk may be speech.
    heard = [
        hear(chunks[i], part, spoken[i] or [(chunks[i].start / rate, chunks[i].end / rate)], tokenizer, frame / rate)
        for i, part in found.tokens.items()
    ]
    joined, unlike = join_chunks(heard, tokenizer, rate)
    overlapping = sum(after.start < before.end for before, after in itertools.pairwise(chunks))
    return found.rest._replace(tokens=joined), _how(len(chunks), overlapping, unlike) + found.how


def _clip(speech: Sequence[Span], chunk: Chunk, rate: int) -> list[Span]:
    """The speech within a chunk."""
    begin, end = chunk.start / rate, chunk.end / rate
    return [(max(a, begin), min(b, end)) for a, b in speech if a < end and b > begin]


def _how(chunks: int, overlapping: int, unlike: Sequence[float]) -> str:
    how = f"in {chunks} chunks of at most {LONGEST_SECONDS:.0f} s"
    if overlapping:
        how += f", {overlapping} of {chunks - 1} cuts within speech"
    if unlike:
        places = ", ".join(f"{seconds:.0f} s" for seconds in unlike)
        how += f", without a common word at {places}, where words may be written twice"
    return how
