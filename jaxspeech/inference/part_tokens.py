"""Tokens of parts of a recording: one row of a batch, a stretch of it, and all of them joined."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxspeech.search.tokens import Tokens
from jaxspeech.text.char import SPACE
from jaxspeech.text.tokenizer import Tokenizer


def row_of(tokens: Any, first_frame: int) -> Tokens:
    """Returns one row's tokens without padding, their frames counted from the start of the recording."""
    real = slice(int(tokens.num_tokens))
    starts, ends = tokens.starts[real], tokens.ends[real]
    first_frame = first_frame if has_times(starts, ends) else 0
    return Tokens(
        ids=tokens.ids[real],
        num_tokens=tokens.num_tokens,
        starts=starts + first_frame,
        ends=ends + first_frame,
        confidence=tokens.confidence[real],
        score=tokens.score,
    )


def has_times(starts: np.ndarray, ends: np.ndarray) -> bool:
    """Whether tokens have frames; those of an attention decoder have none, that is, frame 0 throughout."""
    return bool((ends > starts).any())


def taken(part: Tokens, tokens: slice) -> Tokens:
    """Returns some of the tokens of a part; their score is the sum of the log-probabilities of these tokens."""
    confidence = part.confidence[tokens]
    return Tokens(
        ids=part.ids[tokens],
        num_tokens=np.int32(len(confidence)),
        starts=part.starts[tokens],
        ends=part.ends[tokens],
        confidence=confidence,
        score=log_probability(confidence),
    )


def log_probability(confidence: np.ndarray) -> np.float32:
    """Returns the log-probability of tokens whose confidences are their probabilities."""
    return np.log(np.maximum(confidence, np.finfo(np.float32).tiny)).sum(dtype=np.float32)


def join_tokens(parts: Sequence[Tokens], tokenizer: Tokenizer) -> Tokens:
    """Joins the tokens of all parts to a batch of one.

    Where the tokenizer has a space, one separates two parts, and spans the time between them.
    """
    space = tokenizer.pieces.index(SPACE) if SPACE in tokenizer.pieces else None
    ids: list[int] = []
    starts: list[float] = []
    ends: list[float] = []
    confidence: list[float] = []
    for part in parts:
        if space is not None and ids and len(part.ids):
            ids.append(space)
            starts.append(ends[-1])
            ends.append(max(ends[-1], part.starts[0].item()))
            confidence.append(1.0)
        ids += part.ids.tolist()
        starts += part.starts.tolist()
        ends += part.ends.tolist()
        confidence += part.confidence.tolist()
    return Tokens(
        ids=np.array([ids], np.int32),
        num_tokens=np.array([len(ids)], np.int32),
        starts=np.array([starts]),  # frames of an attention decoder's tokens have fractions
        ends=np.array([ends]),
        confidence=np.array([confidence], np.float32),
        score=np.array([sum(float(part.score) for part in parts)], np.float32),
    )
