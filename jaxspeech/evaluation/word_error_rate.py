"""The word error rate of transcripts: word errors divided by words of the references, over a whole set.

Of a set with several languages (the field "lang" of its lines) also that of each: "wer_de", and "wer_several" of lines
whose words are in different ones.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.search.tokens import Tokens
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.token_languages import line_language
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import spoken_text

# What the names of the rates of single languages begin with.
OF_LANGUAGE = "wer_"


def word_error_rate(tokenizer: Tokenizer) -> Evaluation:
    """Returns the evaluation of Tokens against references, the field "text" of the examples.

    Args:
      tokenizer: decodes the tokens to text.
    """

    def collect(tokens: Tokens, batch: Any) -> list[str]:
        del batch
        rows = zip(tokens.ids, tokens.num_tokens, strict=True)
        return [spoken_text(tokenizer, ids[:count].tolist()) for ids, count in rows]

    def score(heard: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
        said = [reference(fields[index]) for index in heard]
        counts = word_errors(said, list(heard.values()))
        if not counts.length:
            return {}  # a rate of no words would be perfect, or infinite
        return {"wer": counts.rate} | by_language(heard, fields)

    def show(scores: Scores) -> str:
        if not scores:
            return "no WER (no reference has a word)"
        of_languages = {name: rate for name, rate in scores.items() if name.startswith(OF_LANGUAGE)}
        parts = [f"{name.removeprefix(OF_LANGUAGE)} {rate:.2%}" for name, rate in of_languages.items()]
        return f"WER {scores['wer']:.2%}" + (f" ({', '.join(parts)})" if parts else "")

    def sample(heard: str, fields: Fields) -> str:
        return f"  said:  {reference(fields)}\n  heard: {heard}"

    return Evaluation(True, collect, score, show, sample, identity=("text",), shares=("wer",))


def by_language(heard: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
    """Returns the rate of each language by name; none unless there are several."""
    groups: dict[str, list[int]] = {}
    for index in heard:
        groups.setdefault(line_language(fields[index].get("lang")), []).append(index)
    if len(groups) < 2:
        return {}
    rates = {}
    for language, indices in sorted(groups.items()):
        counts = word_errors([reference(fields[i]) for i in indices], [heard[i] for i in indices])
        if counts.length and language:
            rates[f"{OF_LANGUAGE}{language}"] = counts.rate
    return rates


def reference(fields: Fields) -> str:
    """Returns the reference transcript of an example; "" if it has no text."""
    return str(fields.get("text") or "")
