"""Answers questions in batches of similar length, in order and in bounded memory.

questions -> audio, read ahead -> prompts (one, or one for each part of a long recording) -> batches -> tokens
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxspeech.errors import ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.answer_programs import PLACES, Prompt
from jaxspeech.inference.batching import Shape, plan_batches
from jaxspeech.inference.options import OnError
from jaxspeech.inference.part_tokens import row_of
from jaxspeech.inference.questions import Question, first_error
from jaxspeech.inference.read_ahead import NUM_THREADS
from jaxspeech.inference.rows import in_order
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.search.tokens import Tokens

# Questions of a window, of which batches of similar length are made: so many batches.
WINDOW_BATCHES = 8

Audio = list[Any]  # of one question: arrays of samples, or the errors that prevented reading them


class Written(NamedTuple):
    """What was written for one question.

    Attributes:
      number: of the question in the call.
      question: with its recordings.
      audio: their samples; none with an error.
      answers: tokens of each of its prompts, without padding.
      error: why there are none.
    """

    number: int
    question: Question
    audio: tuple[np.ndarray, ...] = ()
    answers: tuple[Tokens, ...] = ()
    error: SpeechError | None = None

    def seconds(self, sample_rate: int) -> float:
        """The seconds of audio in the question, of which `audio` has so many samples a second."""
        return sum(map(len, self.audio)) / max(sample_rate, 1)


# (prompts, the number of each in the call, its places B and L) -> tokens [B N], the longest first
Write = Callable[[Sequence[Prompt], Sequence[int], Shape], Tokens]


def written_answers(
    questions: Iterable[Question],
    *,
    read: Callable[[Question], Audio],
    plan: Callable[[Question, Sequence[np.ndarray]], list[Prompt]],
    write: Write,
    shapes: ShapeChoice,
    batch_size: int,
    on_error: OnError,
) -> Iterator[Written]:
    """Yields what was written for each question, in order.

    Args:
      questions: perhaps from an infinite generator.
      read: the audio of a question; called in threads.
      plan: the prompts of a question; it may raise SpeechError.
      write: writes the answers of a batch.
      shapes: that `write` has been used with.
      batch_size: the most rows of a batch.
      on_error: "raise" the first error, or "skip".

    Raises:
      SpeechError: with on_error="raise".
    """
    first = 0
    for window in _windows(questions, read, WINDOW_BATCHES * batch_size):
        for found in in_order(_of_window(window, plan, write, shapes, batch_size, first)):
            if found.error is not None and on_error == "raise":
                raise found.error
            yield found
        first += len(window)


def _windows(
    questions: Iterable[Question], read: Callable[[Question], Audio], size: int
) -> Iterator[list[tuple[Question, Audio]]]:
    """Windows of questions with their audio; each is read while the previous one is used."""
    waiting = iter(questions)
    with ThreadPoolExecutor(NUM_THREADS) as readers, ThreadPoolExecutor(1) as ahead:

        def next_window() -> list[tuple[Question, Audio]]:
            some = list(islice(waiting, size))
            return list(zip(some, readers.map(read, some), strict=True))

        future = ahead.submit(next_window)
        while window := future.result():
            future = ahead.submit(next_window)
            yield window


def _of_window(
    window: Sequence[tuple[Question, Audio]],
    plan: Callable[[Question, Sequence[np.ndarray]], list[Prompt]],
    write: Write,
    shapes: ShapeChoice,
    batch_size: int,
    first: int,
) -> Iterator[tuple[int, Written]]:
    """The place of each question in the window and what was written, in order of completion."""
    prompts: dict[tuple[int, int], Prompt] = {}
    counts: dict[int, int] = {}  # of the prompts of each question that is not answered
    for i, (question, audio) in enumerate(window):
        try:
            if (error := first_error(audio)) is not None:
                raise error
            own = plan(question, audio)
        except Exception as error:
            yield i, Written(first + i, question, error=as_speech_error(error, question.source))
            continue
        if not own:
            yield i, Written(first + i, question, tuple(audio))
        else:
            prompts |= {(i, part): prompt for part, prompt in enumerate(own)}
            counts[i] = len(own)
    keys = list(prompts)
    lengths = {k: len(prompts[key].ids) for k, key in enumerate(keys)}
    batches = plan_batches(lengths, batch_size=batch_size, sample_rate=PLACES)
    waiting = shapes.choose(batches, batch_size=batch_size)
    found: dict[int, dict[int, Tokens]] = defaultdict(dict)
    while waiting:
        shape = waiting.pop(0)
        batch = [keys[k] for k in shape.indices]
        try:
            tokens = jax.device_get(write([prompts[key] for key in batch], [first + i for i, _ in batch], shape))
        except ConfigError:  # of the options, not of a question
            raise
        except Exception as error:
            if shape.rows > 1:  # what does not fit together may fit one by one
                waiting = [Shape((k,), 1, shape.length) for k in shape.indices] + waiting
            elif counts.pop(i := batch[0][0], 0):
                question, _ = window[i]
                yield i, Written(first + i, question, error=as_speech_error(error, question.source))
            continue
        for row, (i, part) in enumerate(batch):
            found[i][part] = row_of(jax.tree.map(lambda leaf, row=row: leaf[row], tokens), 0)
            if len(found[i]) == counts.get(i):
                question, audio = window[i]
                answers = found.pop(i)
                yield i, Written(first + i, question, tuple(audio), tuple(answers[k] for k in range(counts.pop(i))))
