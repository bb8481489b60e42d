"""Runs the programs of a model that answers, each compiled once for each padded shape.

    start      prompts [B L], audio [B A S]     -> logits [B V], state with room for R places a row
    extend     the same, and a state            -> logits, state
    write      logits, state                    -> answers, in one loop
    begin      logits, state                    -> answers of one token
    advance    answers, n                       -> answers with up to n tokens more

Numbers of places are padded to three sizes in an octave (`inference.batching`).
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, UInt32

from jaxspeech.inference.answer_options import Manner
from jaxspeech.inference.batching import padded_length
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.search import generate
from jaxspeech.search.generate_beam import generate_beam
from jaxspeech.search.selection import selection
from jaxspeech.search.texts import Texts
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Answering
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# `padded_length` with this rate counts places: 32, 40, 48, 64, ...
PLACES = 64
# Audio is padded to a known length, rather than another program compiled, up to this factor.
MOST_LONGER = 1.5


class Prompt(NamedTuple):
    """What is asked: one row of a batch.

    Attributes:
      ids: tokens, and -1 in each place of a frame of audio.
      audio: samples of the audios, in the order of their places.
      frames: how many places each of them takes.
    """

    ids: Sequence[int]
    audio: tuple[np.ndarray, ...] = ()
    frames: tuple[int, ...] = ()


class Prefilled(NamedTuple):
    """A model that has read its prompts.

    Attributes:
      logits: of the first token of each answer.
      state: with the prompts.
    """

    logits: Float[Array, "B V"]
    state: Any


def padded_places(count: int) -> int:
    """The padded number that holds `count` places."""
    return padded_length(count, sample_rate=PLACES)


class AnswerPrograms:
    """The compiled programs of one model.

    Args:
      task: of the model.
      config: of the model; see `KeptPrograms`.
      end_ids: the tokens that end an answer.
    """

    def __init__(self, task: Task[Any, Any, Answering], *, config: dict[str, Any], end_ids: tuple[int, ...]):
        self._kind, self._batch, self._end_ids = task.inference, task.batch, end_ids
        self._lengths: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)  # of the audio in batches so far
        self._kept = KeptPrograms(task, config=config, outputs=(*self._kind.state, Texts, Tokens, Prefilled))

    def start(self, variables: Variables, prompts: Sequence[Prompt], *, rows: int, size: int, more: int) -> Prefilled:
        """Reads prompts.

        Args:
          variables: of the model.
          prompts: of B or fewer rows; those that are missing have a token and no audio.
          rows: B.
          size: L.
          more: places of each row's state beyond L.
        """
        batch, what = self._padded(prompts, rows=rows, size=size)

        def start(variables: Variables, batch: Any, *, more: int) -> Prefilled:
            return Prefilled(*self._kind.start(variables, batch, more))

        return self._kept.run("answer_start", start, (variables, batch), what, more=more)

    def extend(self, variables: Variables, prompt: Prompt, state: Any) -> Prefilled:
        """Reads one prompt after what its state holds."""
        batch, what = self._padded([prompt], rows=1, size=padded_places(len(prompt.ids)))

        def extend(variables: Variables, batch: Any, state: Any) -> Prefilled:
            return Prefilled(*self._kind.extend(variables, batch, state))

        return self._kept.run("answer_extend", extend, (variables, batch, state), what)

    def write(
        self, variables: Variables, read: Prefilled, how: Manner, *, limits: Sequence[int], places: Sequence[int]
    ) -> Tokens:
        """Writes the answers of a batch.

        Args:
          variables: of the model.
          read: the prompts.
          how: the options of the call.
          limits: where the answer of each row is cut; rows that are missing have none.
          places: of the questions in the call, with each of which its tokens are drawn.
        """
        rows = len(read.logits)
        most = padded_places(how.max_tokens)
        given = np.array([*limits, *[0] * (rows - len(limits))], np.int32), _seeds(how, places, rows)
        if how.beam_size > 1:

            def beam(
                variables: Variables, read: Prefilled, limits: Any, *, ends: Any, most: int, **beam: Any
            ) -> Tokens:
                step = partial(self._kind.step, variables)
                return generate_beam(step, *read, end_ids=ends, most_tokens=most, limits=limits, **beam)[0]

            options: Any = {"beam_size": how.beam_size, "length_penalty": how.length_penalty}
            return self._run("answer_beam", beam, (variables, read, given[0]), most=most, **options)

        def write(variables: Variables, read: Prefilled, limits: Any, seeds: Any, *, most: int, **drawn: Any) -> Tokens:
            step, options = partial(self._kind.step, variables), self._options(seeds, **drawn)
            return generate.generate(step, *read, most_tokens=most, limits=limits, **options)

        return self._run("answer_write", write, (variables, read, *given), most=most, **_drawn(how))

    def begin(self, variables: Variables, read: Prefilled, how: Manner, *, limit: int) -> Texts:
        """Writes the first token of an answer; the arguments are those of `write`, for one row."""
        given = np.array([limit], np.int32), _seeds(how, [0], 1)

        def begin(variables: Variables, read: Prefilled, limits: Any, seeds: Any, *, most: int, **drawn: Any) -> Texts:
            del variables
            return generate.start(*read, most_tokens=most, limits=limits, **self._options(seeds, **drawn))

        most = padded_places(how.max_tokens)
        return self._run("answer_begin", begin, (variables, read, *given), most=most, **_drawn(how))

    def advance(self, variables: Variables, texts: Texts, how: Manner, *, count: int) -> Texts:
        """Writes up to `count` more tokens."""
        given = _seeds(how, [0], 1)

        def advance(variables: Variables, texts: Texts, seeds: Any, *, count: int, **drawn: Any) -> Texts:
            step = partial(self._kind.step, variables)
            return generate.advance(step, texts, count=count, **self._options(seeds, **drawn))

        return self._run("answer_advance", advance, (variables, texts, given), count=count, **_drawn(how))

    def _run(self, name: str, function: Any, arguments: tuple[Any, ...], **options: Any) -> Any:
        return self._kept.run(name, function, arguments, "the answers", ends=self._end_ids, **options)

    def _options(self, seeds: Any, ends: Any, **drawn: Any) -> dict[str, Any]:
        keys = None
        if drawn["temperature"]:
            keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed[0]), seed[1]))(seeds)
        return {"end_ids": ends, "select": selection(**drawn), "keys": keys}

    def _length(self, num_samples: int, shape: tuple[int, ...]) -> int:
        """The padded length of audios in a batch of this shape: a known one that is not much longer, or a new one."""
        wanted = padded_length(num_samples, sample_rate=self._kind.sample_rate)
        fitting = [length for length in self._lengths[shape] if wanted <= length <= MOST_LONGER * wanted]
        self._lengths[shape].add(length := min(fitting, default=wanted))
        return length

    def _padded(self, prompts: Sequence[Prompt], *, rows: int, size: int) -> tuple[Any, str]:
        """A batch of the task, and its size in words."""
        audios = max(len(prompt.audio) for prompt in prompts)
        longest = max((len(samples) for prompt in prompts for samples in prompt.audio), default=0)
        rate = self._kind.sample_rate
        length = self._length(longest, (rows, size, audios)) if longest else 0
        ids, num_ids = np.zeros((rows, size), np.int32), np.ones(rows, np.int32)
        samples, num_samples = np.zeros((rows, audios, length), np.float32), np.zeros((rows, audios), np.int32)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt.ids)], num_ids[row] = prompt.ids, len(prompt.ids)
            for place, own in enumerate(prompt.audio):
                samples[row, place, : len(own)], num_samples[row, place] = own, len(own)
        of_task = {
            "samples": samples,
            "num_samples": num_samples,
            "ids": ids,
            "num_ids": num_ids,
            "num_prompt": num_ids,
            "answers": np.zeros((rows, size), bool),
            "index": np.full(rows, -1, np.int32),
        }
        heard = f" with {audios} x {length / rate:g} s of audio" if length else ""
        what = f"{rows} x {size} places{heard}"
        return self._batch(**{name: of_task[name] for name in self._batch._fields}), what


def _seeds(how: Manner, places: Sequence[int], rows: int) -> UInt32[np.ndarray, "B 2"]:
    """The seed of the call and the number of each question; the rows that are missing have 0."""
    return np.array([(how.seed, place) for place in [*places, *[0] * (rows - len(places))]], np.uint32)


def _drawn(how: Manner) -> dict[str, Any]:
    """What a program must know of how tokens are chosen; the same program writes all answers without drawing."""
    return {"temperature": how.temperature, "top_k": how.top_k, "top_p": how.top_p}
