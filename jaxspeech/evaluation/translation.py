"""The scores of texts of which some are transcripts and others translations: word error rate, BLEU."""

from collections.abc import Callable, Mapping

from jaxspeech.evaluation.bleu import bleu
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.evaluation.word_error_rate import reference, word_error_rate
from jaxspeech.text.tokenizer import Tokenizer


def transcripts_and_translations(tokenizer: Tokenizer, *, translates: Callable[[Fields], bool]) -> Evaluation:
    """Returns the evaluation of Tokens: the WER of the transcripts of a set, then the BLEU of its translations.

    A set without transcripts has no WER, and one without translations no BLEU. The scores are shares: "bleu" is 0.613
    where BLEU is 61.3.

    Args:
      tokenizer: decodes the tokens to text.
      translates: whether the reference of an example, its field "text", is a translation.
    """
    of_transcripts = word_error_rate(tokenizer)

    def score(found: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
        translated = [index for index in found if translates(fields[index])]
        scores = of_transcripts.score({i: found[i] for i in found if i not in {*translated}}, fields)
        references = [reference(fields[index]) for index in translated]
        if any(text.strip() for text in references):
            scores["bleu"] = bleu(references, [found[index] for index in translated]) / 100
        return scores

    def show(scores: Scores) -> str:
        words = [of_transcripts.show(scores)] if "wer" in scores else []
        words += [f"BLEU {100 * scores['bleu']:.1f}"] if "bleu" in scores else []
        return ", ".join(words) or of_transcripts.show({})

    def sample(found: str, fields: Fields) -> str:
        if not translates(fields):
            return of_transcripts.sample(found, fields)
        return f"  translation: {reference(fields)}\n  found:       {found}"

    return of_transcripts._replace(score=score, show=show, sample=sample, shares=("wer", "bleu"), rising=("bleu",))
