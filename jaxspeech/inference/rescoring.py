"""Chooses among the alternatives of each recording by a language model, before its hypothesis is made.

score(text) = acoustic + a lm(text) + b length(text)                  see `search.rescore`
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.inference.rows import Row
from jaxspeech.search.rescore import Alternatives, Weights, rescored
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.prediction import NBest, Prediction
from jaxspeech.text.tokenizer import Tokenizer

NOT_RESCORED = "not rescored: it was recognised in parts"


class Alternative(NamedTuple):
    """One of the best texts of a recording.

    Attributes:
      text: the text.
      score: by which they are ordered: that of the search or, after rescoring, the weighted sum.
      tokens: ids of the text.
      acoustic: score of the search, with what was fused in it.
      lm: log-probability by the language model that rescored; None without one.
    """

    text: str
    score: float
    tokens: tuple[int, ...]
    acoustic: float
    lm: float | None = None


def alternatives_of(found: NBest, tokenizer: Tokenizer) -> tuple[Alternative, ...]:
    """Returns the alternatives of one row that there are, as texts."""
    texts = []
    for rank in np.flatnonzero(found.tokens.score > -np.inf).tolist():
        ids, lm = _ids(found.tokens, rank), None if found.lm is None else float(found.lm[rank])
        score, acoustic = float(found.tokens.score[rank]), float(found.acoustic[rank])
        texts.append(Alternative(tokenizer.decode(list(ids)), score, ids, acoustic, lm))
    return tuple(texts)


@dataclass(frozen=True)
class Rescoring:
    """What rescores a call's alternatives.

    Attributes:
      tokenizer: of the recogniser; the language model may have another one.
      score: texts -> log p of each.
      weights: a and b.
    """

    tokenizer: Tokenizer
    score: Callable[[Sequence[str]], Float[np.ndarray, " N"]]
    weights: Weights


def rescored_rows(rows: Iterable[Row[Prediction]], rescoring: Rescoring) -> Iterator[Row[Prediction]]:
    """Yields the rows with their alternatives in the new order, the best of which is their prediction.

    Args:
      rows: with alternatives, unless they were recognised in parts, which their note then says.
      rescoring: the language model.
    """
    for row in rows:
        if row.error is not None or row.prediction is None or row.prediction.tokens is None:
            yield row
        elif row.prediction.alternatives is None:
            yield replace(row, note="; ".join(filter(None, (row.note, NOT_RESCORED))))
        else:
            found = _rescored(row.prediction.alternatives, rescoring)
            best = jax.tree.map(lambda x: x[0], found.tokens)
            yield replace(row, prediction=row.prediction._replace(tokens=best, alternatives=found))


def _rescored(found: NBest, rescoring: Rescoring) -> NBest:
    tokens, real = found.tokens, np.flatnonzero(found.tokens.score > -np.inf)
    lm = np.full(len(tokens.score), -np.inf, np.float32)
    if len(real):
        lm[real] = rescoring.score([rescoring.tokenizer.decode(list(_ids(tokens, rank))) for rank in real.tolist()])
    scores = rescored(Alternatives(found.acoustic, lm, tokens.num_tokens), rescoring.weights)
    order = np.argsort(-scores, kind="stable")
    tokens = jax.tree.map(lambda x: x[order], tokens)._replace(score=scores[order])
    return NBest(tokens, found.acoustic[order], lm[order])


def _ids(tokens: Tokens, rank: int) -> tuple[int, ...]:
    return tuple(tokens.ids[rank, : int(tokens.num_tokens[rank])].tolist())
