"""Predicts with an attention decoder, whose tokens have no frames of their own, and finds the frames of each token.

Of each row, by the first of these that it has: the times that the decoder wrote into the text (`text.time_tokens`), the
alignment of the text by the model's CTC head, the weights of the decoder's attention (`search.attention_times`).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Num

from jaxspeech.inference.batching import Shape
from jaxspeech.runtime.kept_function import compile_kept
from jaxspeech.search.attention_times import token_frames
from jaxspeech.search.forced_alignment import forced_alignment
from jaxspeech.search.timestamps import pinned
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.kinds import Attention, Recognition
from jaxspeech.tasks.prediction import TIMINGS, Prediction
from jaxspeech.text.prompt import special_tokens
from jaxspeech.text.prompt_slots import UNKNOWN
from jaxspeech.text.prompts import Prompts
from jaxspeech.text.time_tokens import frames_of_tokens, without_times
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

# Texts are padded to a multiple of so many tokens, so that few programs are compiled.
UNIT = 64


class TimedPrograms:
    """Compiled programs whose predictions have frames.

    Args:
      start: `Programs.start` of `tasks.prediction.predict`.
      recognition: the model.
      tokenizer: the model's tokenizer.
      prompt: the model's format of prompts; None: all texts are in the language that is spoken.
      config: of the model, as that of `Programs`; {}: the programs of the attention are not kept on disk.
    """

    def __init__(
        self,
        start: Callable[..., tuple[Prediction, str]],
        recognition: Recognition,
        tokenizer: Tokenizer,
        prompt: Prompts | None,
        config: dict[str, Any],
    ):
        self._start, self._recognition, self._config = start, recognition, config
        assert recognition.prompts is not None and recognition.prompts.attend is not None
        self._attend, self._prompt, self._pieces = recognition.prompts.attend, prompt, tokenizer.pieces
        self._written, self._special = frames_of_tokens(tokenizer.pieces), {*special_tokens(tokenizer).values()}
        self._compiled: dict[Hashable, Any] = {}

    def start(
        self,
        variables: Variables,
        shape: Shape,
        audio: Mapping[int, np.ndarray],
        asked: Asked,
        *,
        log_probs: bool,
        **options: Any,
    ) -> tuple[Prediction, str]:
        """Does what `Programs.start` does with the options of `Outputs`, and waits for the texts."""
        by_head = self._recognition.log_probs is not None
        options |= {"log_probs": log_probs or by_head, "encoded": True}
        found, how = self._start(variables, shape, audio, asked, **options)
        assert found.tokens is not None and found.encoded is not None
        texts = _Texts(jax.device_get(found.tokens), len(shape.indices))
        num_frames = np.asarray(found.encoded[1])
        prompt = np.asarray(asked.prompt)
        if found.language is not None:
            prompt = np.where(prompt == UNKNOWN, np.asarray(found.language)[:, None], prompt)
        asked = Asked(prompt, asked.num_prompt)
        for row in texts.unknown():
            if timed := without_times(texts.ids(row), self._written, num_frames=float(num_frames[row])):
                texts.keep(row, timed.places)
                texts.place(row, timed.starts, timed.ends, "tokens")
        if by_head and (rows := [row for row in texts.unknown() if self._is_spoken(asked, row)]):
            self._align(texts, rows, found.log_probs, num_frames)
        if rows := texts.unknown():
            self._look(texts, rows, variables, found.encoded, asked)
        found = found._replace(tokens=texts.tokens(), encoded=None, timing=texts.timing)
        return (found if log_probs else found._replace(log_probs=None, num_frames=None)), how

    def _is_spoken(self, asked: Asked, row: int) -> bool:
        """Whether the text is in the language of the speech: CTC says nothing about the times of a translation."""
        return self._prompt is None or self._prompt.same_language(asked.prompt[row, : asked.num_prompt[row]].tolist())

    def _align(self, texts: "_Texts", rows: Sequence[int], log_probs: Any, num_frames: np.ndarray) -> None:
        """Aligns the texts, without special tokens, which are not spoken; one that has too many tokens is left out."""
        spoken = {row: [i for i, token in enumerate(texts.ids(row)) if token not in self._special] for row in rows}
        labels = np.zeros((len(log_probs), _padded(max(map(len, spoken.values())))), np.int32)
        num_labels = np.zeros(len(log_probs), np.int32)
        for row, places in spoken.items():
            num_labels[row] = len(places)
            labels[row, : len(places)] = np.asarray(texts.ids(row))[places]
        blank_id = self._recognition.vocab_size
        found = jax.device_get(forced_alignment(log_probs, num_frames, labels, num_labels, blank_id=blank_id))
        for row, places in spoken.items():
            if not places or found.score[row] == -np.inf:
                continue
            pieces = [self._pieces[token] for token in labels[row, : len(places)]]
            starts, ends = pinned(pieces, found.starts[row], found.ends[row])
            # A special token takes no time, at the end of the token before it.
            before = np.searchsorted(places, np.arange(len(texts.ids(row))), side="right") - 1
            own = np.isin(np.arange(len(before)), places)
            last = np.where(before < 0, starts[0], ends[np.maximum(before, 0)])
            texts.place(row, np.where(own, starts[np.maximum(before, 0)], last), last, "ctc")

    def _look(self, texts: "_Texts", rows: Sequence[int], variables: Variables, encoded: Any, asked: Asked) -> None:
        """Places tokens where the decoder looks when it predicts them."""
        counts = np.zeros(len(encoded[1]), np.int32)
        ids = np.zeros((len(counts), _padded(max(len(texts.ids(row)) for row in rows))), np.int32)
        for row in rows:
            counts[row] = len(texts.ids(row))
            ids[row, : counts[row]] = texts.ids(row)
        decoder = {"params": {"decoder": variables["params"]["decoder"]}}
        arguments = decoder, *encoded, asked, ids, counts
        found: Attention = jax.device_get(self._attention(arguments)(*arguments))
        for row in rows:
            # The end of the text is on the path too, so that silence after the last token is not a part of it.
            size, frames = counts[row] + 1, int(encoded[1][row])
            starts, ends = token_frames(found.scores[row, :size, :frames], found.weights[row, :size, :frames])
            texts.place(row, starts[:-1], ends[:-1], "attention")

    def _attention(self, arguments: tuple[Any, ...]) -> Any:
        """Returns the compiled program for such arguments."""
        *_, ids, counts = arguments
        key = tuple(x.shape for x in jax.tree.leaves(arguments[1:]))
        if key not in self._compiled:
            self._compiled[key] = compile_kept(
                self._attend,
                arguments,
                name="attend",
                config=self._config,
                options={},
                outputs=(Attention,),
                what=f"the attention of {len(counts)} texts of {ids.shape[1]} tokens",
            )
        return self._compiled[key]


class _Texts:
    """The texts of a batch, whose tokens get their frames row by row.

    Args:
      tokens: on the host; their frames are not used.
      num_rows: those that are not filler.

    Attributes:
      timing: of each row, where its frames are from; a place in `TIMINGS`.
    """

    def __init__(self, tokens: Tokens, num_rows: int):
        self._tokens = [np.array(tokens.ids), np.array(tokens.confidence)]
        self._counts, self._score = np.array(tokens.num_tokens), np.array(tokens.score)
        self._starts, self._ends = (np.zeros(tokens.ids.shape, np.float32) for _ in range(2))
        self.timing = np.full(len(self._counts), -1, np.int32)
        # Nothing is to be found for an empty text or for filler.
        self.timing[(self._counts == 0) | (np.arange(len(self._counts)) >= num_rows)] = len(TIMINGS) - 1

    def unknown(self) -> list[int]:
        """The rows without frames."""
        return np.flatnonzero(self.timing < 0).tolist()

    def ids(self, row: int) -> list[int]:
        return self._tokens[0][row, : self._counts[row]].tolist()

    def keep(self, row: int, places: np.ndarray) -> None:
        """Leaves out the tokens at other places; the score is that of the text without them."""
        ids, confidence = self._tokens
        left_out = np.setdiff1d(np.arange(self._counts[row]), places)
        self._score[row] -= np.log(np.maximum(confidence[row, left_out], np.finfo(np.float32).tiny)).sum()
        for part in (ids, confidence):
            part[row, : len(places)] = part[row, places]
        self._counts[row] = len(places)

    def place(self, row: int, starts: Num[Any, " N"], ends: Num[Any, " N"], timing: str) -> None:
        """Sets the frames of a row's tokens."""
        self._starts[row, : len(starts)], self._ends[row, : len(ends)] = starts, ends
        self.timing[row] = TIMINGS.index(timing)

    def tokens(self) -> Tokens:
        return Tokens(self._tokens[0], self._counts, self._starts, self._ends, self._tokens[1], self._score)


def _padded(size: int) -> int:
    return max(-(-size // UNIT), 1) * UNIT
