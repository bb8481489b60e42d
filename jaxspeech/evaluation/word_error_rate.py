"""The word error rate of transcripts: word errors divided by words of the references, over a whole set."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.search.tokens import Tokens
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.tokenizer import Tokenizer


def word_error_rate(tokenizer: Tokenizer) -> Evaluation:
    """Returns the evaluation of Tokens against references, the field "text" of the examples.

    Args:
      tokenizer: decodes the tokens to text.
    """

    def collect(tokens: Tokens, batch: Any) -> list[str]:
        del batch
        rows = zip(tokens.ids, tokens.num_tokens, strict=True)
        return [tokenizer.decode(ids[:count].tolist()) for ids, count in rows]

    def score(heard: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
        said = [reference(fields[index]) for index in heard]
        counts = word_errors(said, list(heard.values()))
        return {"wer": counts.rate} if counts.length else {}  # a rate of no words would be perfect, or infinite

    def show(scores: Scores) -> str:
        return f"WER {scores['wer']:.2%}" if scores else "no WER (no reference has a word)"

    def sample(heard: str, fields: Fields) -> str:
        return f"  said:  {reference(fields)}\n  heard: {heard}"

    return Evaluation(True, collect, score, show, sample, identity=("text",), shares=("wer",))


def reference(fields: Fields) -> str:
    """Returns the reference transcript of an example; "" if it has no text."""
    return str(fields.get("text") or "")
