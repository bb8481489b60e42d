"""The perplexity of texts: how many tokens, or words, a language model is as uncertain between.

perplexity = exp(- sum log p(text) / sum (tokens + 1))               the end of each text is one more token, or word

Per token it depends on the tokenizer; per word, models of different tokenizers can be compared.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores


class TextScore(NamedTuple):
    """log p(text) with its end, in nats, and the number of tokens without it."""

    log_prob: float
    num_tokens: int


def perplexity() -> Evaluation:
    """Returns the evaluation of log-probabilities and numbers of tokens, [B] each, of texts with a field "text"."""

    def collect(found: Any, batch: Any) -> list[TextScore]:
        del batch
        return [TextScore(float(p), int(n)) for p, n in zip(found.log_prob, found.num_tokens, strict=True)]

    def score(found: Mapping[int, TextScore], fields: Mapping[int, Fields]) -> dict[str, float]:
        total = sum(text.log_prob for text in found.values())
        tokens = sum(text.num_tokens + 1 for text in found.values())
        words = sum(len(fields[index]["text"].split()) + 1 for index in found)
        return {"perplexity": _exp(-total / tokens), "word_perplexity": _exp(-total / words)}

    def sample(found: TextScore, fields: Fields) -> str:
        return f"  {-found.log_prob / (found.num_tokens + 1):.2f} nats a token: {fields['text']}"

    return Evaluation(True, collect, score, _show, sample, identity=("text",))


def _show(scores: Scores) -> str:
    return f"perplexity {scores['perplexity']:.2f} (per word {scores['word_perplexity']:.4g})"


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < math.log(1e300) else math.inf
