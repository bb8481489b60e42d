"""The way from recordings to hypotheses.

read ahead (threads) -> batches of similar length -> one compiled program for each shape -> tokens -> text and times
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import numpy as np

from jaxspeech.audio.voice_activity import ENERGY_DETECTOR, VoiceActivity
from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.batching import FULL_BATCH_SECONDS, Shape, plan_batches
from jaxspeech.inference.buffered import CONTEXT_SECONDS, KEPT_SECONDS, Buffered
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.programs import Prediction, Programs
from jaxspeech.inference.read_ahead import Window, read_windows
from jaxspeech.inference.segmented import Segmented
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

T = TypeVar("T")
Long = Literal["auto", "full", "local", "buffered", "segments"]


class Wanted(NamedTuple):
    """What a call of `transcribe` asked for."""

    batch_size: int
    timestamps: bool
    log_probs: bool
    long: Long
    voice_activity: VoiceActivity = ENERGY_DETECTOR


class Transcriber:
    """A task's compiled programs, and what becomes of their predictions.

    Args:
      task: what predicts.
      tokenizer: of its tokens.
      local: the same model with local attention, for recordings too long for `task`; None where it has no such form.
    """

    def __init__(self, task: RecognitionTask, tokenizer: Tokenizer, *, local: RecognitionTask | None = None):
        self._recognition = task.inference
        self._tokenizer = tokenizer
        self._programs = Programs(task)
        self._local = None if local is None else Programs(local)
        self._buffered = Buffered(task)
        self._segmented = Segmented(task, tokenizer, self._programs)

    @property
    def has_local_form(self) -> bool:
        """Whether `long="local"` can be asked for."""
        return self._local is not None

    def transcribe(
        self,
        variables: Variables,
        inputs: Any,
        read: Callable[[Recording], np.ndarray | SpeechError],
        wanted: Wanted,
        *,
        on_error: Literal["raise", "skip"],
    ) -> Iterator[Hypothesis]:
        """Hypotheses in the order of `inputs`, each as soon as it and those before it are there.

        Args:
          variables: of the task.
          inputs: whatever `find_recordings` finds recordings in.
          read: a recording's samples at the task's rate, or why there are none.
          wanted: what to find out.
          on_error: "raise", or "skip" with the reason in the hypothesis.
        """
        for window in read_windows(find_recordings(inputs), read, sample_rate=self._recognition.sample_rate):
            found = in_order(self._window(variables, window, wanted))
            for (recording, _), result in zip(window, found, strict=True):
                if isinstance(result, Hypothesis):
                    yield result
                elif on_error == "raise":
                    raise result
                else:
                    yield Hypothesis("", 0.0, (), 0.0, 0.0, recording.source, error=str(result))

    def _window(
        self, variables: Variables, window: Window, wanted: Wanted
    ) -> Iterator[tuple[int, Hypothesis | SpeechError]]:
        """Each recording's place in the window and its result, in whatever order they come."""
        shortest = self._recognition.frame_seconds * self._recognition.sample_rate
        audio: dict[int, np.ndarray] = {}
        for i, (_, samples) in enumerate(window):
            if isinstance(samples, SpeechError):
                yield i, samples
            elif len(samples) < shortest:
                yield i, self._hypothesis(*window[i], wanted)
            else:
                audio[i] = samples
        for shape, prediction, note in self._predict(variables, audio, wanted):
            for row, i in enumerate(shape.indices):
                recording, samples = window[i]
                if isinstance(prediction, AudioError):
                    yield i, AudioError(f"{recording.source}: {prediction}")
                else:
                    yield i, self._hypothesis(recording, samples, wanted, prediction, row)._replace(note=note)

    def _predict(
        self, variables: Variables, audio: dict[int, np.ndarray], wanted: Wanted
    ) -> Iterator[tuple[Shape, Prediction | AudioError, str | None]]:
        """Batches, what the model says of them, and how; the next one is on the device while this one is worked on."""
        lengths = {i: len(samples) for i, samples in audio.items()}
        waiting = deque(plan_batches(lengths, batch_size=wanted.batch_size, sample_rate=self._recognition.sample_rate))
        running: deque[tuple[Shape, Prediction, str | None]] = deque()
        while waiting or running:
            if waiting and len(running) < 2:
                shape = waiting.popleft()
                try:
                    running.append((shape, *self._start(variables, shape, audio, wanted)))
                except AudioError as error:
                    if shape.rows == 1:
                        yield shape, error, None
                    # What does not fit together may fit one by one.
                    waiting.extendleft(Shape((i,), 1, shape.length) for i in shape.indices if shape.rows > 1)
            else:
                shape, prediction, note = running.popleft()
                yield shape, jax.device_get(prediction), note

    def _start(
        self, variables: Variables, shape: Shape, audio: dict[int, np.ndarray], wanted: Wanted
    ) -> tuple[Prediction, str | None]:
        """A batch's prediction, and how it came about where that was not by all of the model at once.

        Raises:
          AudioError: it does not fit into the memory; or it must be tried one recording at a time.
        """
        how = wanted.long if shape.length > FULL_BATCH_SECONDS * self._recognition.sample_rate else "full"
        reason = "as asked for"
        if how in ("auto", "full"):
            try:
                return self._programs.start(variables, shape, audio, log_probs=wanted.log_probs), None
            except AudioError as error:
                if how == "full" or shape.rows > 1:
                    raise
                reason = str(error).partition("; ")[0]
        if how not in ("buffered", "segments") and self._local is not None:
            try:
                started = self._local.start(variables, shape, audio, log_probs=wanted.log_probs)
                return started, f"by local attention ({reason})"
            except AudioError:
                if how == "local":
                    raise
        if shape.rows > 1:
            raise AudioError("parts are joined for one recording at a time")
        [samples] = (audio[i] for i in shape.indices)
        if how == "segments":
            found, count = self._segmented.predict(
                variables, samples, wanted.voice_activity, batch_size=wanted.batch_size
            )
            return found, f"in {count} segments between silences ({reason})"
        found = self._buffered.predict(variables, samples, batch_size=wanted.batch_size, log_probs=wanted.log_probs)
        return found, f"in windows of {KEPT_SECONDS + 2 * CONTEXT_SECONDS:.0f} s ({reason})"

    def _hypothesis(
        self, recording: Recording, samples: Any, wanted: Wanted, prediction: Prediction | None = None, row: int = 0
    ) -> Hypothesis:
        """The transcript in one row of a prediction; an empty one without a prediction."""
        hypothesis = Hypothesis("", 0.0, (), 0.0, len(samples) / self._recognition.sample_rate, recording.source)
        if prediction is None:
            spans = () if wanted.timestamps else None
            log_probs = np.zeros((0, self._recognition.vocab_size + 1), np.float32) if wanted.log_probs else None
            return hypothesis._replace(words=spans, segments=spans, chars=spans, log_probs=log_probs)

        tokens = prediction.tokens
        real = slice(int(tokens.num_tokens[row]))
        ids, confidence = tokens.ids[row, real].tolist(), tokens.confidence[row, real]
        hypothesis = hypothesis._replace(score=float(tokens.score[row])).with_tokens(self._tokenizer, ids, confidence)
        if wanted.timestamps:
            timed = TimedTokens(self._tokenizer, frame_seconds=self._recognition.frame_seconds, offset=recording.offset)
            times = tokens.starts[row, real], tokens.ends[row, real], confidence
            timed.update(ids, *times, duration=hypothesis.duration)
            hypothesis = hypothesis.with_times(timed)
        if prediction.log_probs is not None and prediction.num_frames is not None:
            hypothesis = hypothesis._replace(log_probs=prediction.log_probs[row, : prediction.num_frames[row]].copy())
        return hypothesis


def in_order(results: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Results with their places 0, 1, ..., each as soon as those before it are there."""
    waiting: dict[int, T] = {}
    place = 0
    for i, result in results:
        waiting[i] = result
        while place in waiting:
            yield waiting.pop(place)
            place += 1
