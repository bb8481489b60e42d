"""Transcripts by a language model that hears: its options, the parts of a long recording, and the result."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.errors import ConfigError
from jaxspeech.inference.answer import Answer
from jaxspeech.inference.answer_options import Manner
from jaxspeech.inference.answering import Written
from jaxspeech.inference.batching import FULL_BATCH_SECONDS
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.options import Wanted
from jaxspeech.text.tokenizer import Tokenizer

# The question of a transcript: that of NeMo's canary-qwen-2.5b.
TRANSCRIBE = "Transcribe the following: <audio>"
# The options of `transcribe` that make sense without times and other searches.
HEARS = ("batch_size", "sample_rate", "channel", "on_error", "long", "voice_activity", "enhance")


def check_transcribing(wanted: Wanted) -> None:
    """Checks that a model that writes texts alone has the options of a call.

    Raises:
      ConfigError: it has not.
    """
    for name, default in Wanted._field_defaults.items():
        if name not in HEARS and getattr(wanted, name) != default:
            name = next(iter(wanted.slots)) if name == "slots" else name
            raise ConfigError(f"{name}: a language model that hears writes texts alone, and has no such option")
    if wanted.long in ("local", "buffered"):
        raise ConfigError(f'long="{wanted.long}": this model takes "segments", which is "auto", or "full"')


def transcribed_parts(
    samples: Float[np.ndarray, " S"], sample_rate: int, wanted: Wanted
) -> Sequence[Float[np.ndarray, " _"]]:
    """Returns the parts of a recording that are transcribed one by one: all of it, or segments between silences."""
    if wanted.long == "full" or len(samples) <= FULL_BATCH_SECONDS * sample_rate:
        return [samples]
    spans = cut_at_silences(samples, sample_rate, wanted.voice_activity(samples, sample_rate))
    return [samples[int(start * sample_rate) : round(end * sample_rate)] for start, end in spans]


def transcript_of(written: Written, how: Manner, tokenizer: Tokenizer, sample_rate: int) -> Hypothesis:
    """Returns the transcript of a recording: what was written for its parts, one after another.

    Args:
      written: the answers, one for each part.
      how: they were written.
      tokenizer: of the model.
      sample_rate: of the model, in Hz; 0 if it reads text alone.
    """
    [recording] = written.question.recordings
    found = Hypothesis(source=recording.source, channel=recording.channel)
    if written.error is not None:
        return found._replace(error=str(written.error))
    parts = [Answer().with_tokens(tokens, tokenizer, limit=how.max_tokens) for tokens in written.answers]
    ids = tuple(i for part in parts for i in part.tokens)
    sure = sum(part.confidence * len(part.tokens) for part in parts) / max(len(ids), 1)
    how_made = [f"in {len(parts)} segments between silences"] if len(parts) > 1 else []
    how_made += [how.cut_note] * any(not part.finished for part in parts)
    return found._replace(
        text=" ".join(text for part in parts if (text := part.text.strip())),
        score=sum(part.score for part in parts),
        tokens=ids,
        confidence=sure,
        duration=written.seconds(sample_rate),
        note=", ".join(how_made) or None,
    )
