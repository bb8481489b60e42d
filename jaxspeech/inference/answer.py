"""Answer, the result of one question to a model that answers."""

from typing import NamedTuple

from jaxspeech.search.tokens import Tokens
from jaxspeech.text.tokenizer import Tokenizer


class Answer(NamedTuple):
    """What a model says to one question.

    Attributes:
      text: of the answer.
      question: the text that was asked.
      source: the path of the (first) recording, or "array 0", ...; without one, "question 0", ...
      duration: of all recordings of the question, in seconds.
      tokens: ids of the text.
      score: log-probability of the answer; of a beam search, the beam's score.
      confidence: mean of the model's probabilities of the tokens, 0 to 1; 0 without tokens.
      finished: whether the answer ended by itself; False where it was cut at `max_tokens`, or stopped.
      note: one line about how it was made, if there is something to report.
      error: with `on_error="skip"`, one line that says why there is none.
    """

    text: str = ""
    question: str = ""
    source: str = ""
    duration: float = 0.0
    tokens: tuple[int, ...] = ()
    score: float = 0.0
    confidence: float = 0.0
    finished: bool = True
    note: str | None = None
    error: str | None = None

    def with_tokens(self, tokens: Tokens, tokenizer: Tokenizer, *, limit: int) -> "Answer":
        """A copy with the text of these tokens.

        Args:
          tokens: of one row, without padding.
          tokenizer: of the model.
          limit: where it would have been cut.
        """
        ids = [int(i) for i in tokens.ids]
        sure = float(tokens.confidence.mean()) if ids else 0.0
        said = self._replace(text=tokenizer.decode(ids), tokens=tuple(ids), score=float(tokens.score))
        return said._replace(confidence=sure, finished=len(ids) < limit)
