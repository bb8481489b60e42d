"""Starting from a trained model: what a new one takes over from it, and the proof that it is still that model.

A model with another tokenizer keeps the weights of the pieces that both have.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from jaxspeech.archive import Archive
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.tasks.task import Task
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.training.warm_start import Start, check_word_error_rate, choose_start, describe_start


class Takeover(NamedTuple):
    """What is taken over, and from what.

    Attributes:
      start: the arrays.
      model: the trained model's name.
      stated: the word error rates that its archive states.
      exact: whether all of it is taken, with its tokenizer: then it has to reach them.
    """

    start: Start
    model: str
    stated: Mapping[str, Any]
    exact: bool

    def check(self, found: Mapping[str, Any], *, tolerance: int | float) -> str:
        """Lines that compare what was measured before step 0 with what is stated; see `check_word_error_rate`."""
        lines = check_word_error_rate(self.stated, found, model=self.model, tolerance=tolerance, exact=self.exact)
        return "\n".join(lines)


def take_over(
    source: Archive,
    task: Task,
    tokenizer: Tokenizer,
    *,
    model: str,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> Takeover:
    """What a new model takes over from a trained one; says so in a line.

    Args:
      source: the trained model.
      task, tokenizer: the new one's.
      model: the trained model's name, for messages.
      include, exclude: patterns of what is taken, as `choose_start` takes them.
      seed: of what is new in the vocabulary.

    Raises:
      ConfigError: a pattern that matches nothing, an array that is wanted and not there, or not of the right shape.
    """
    same = tokenizer.pieces == source.assets["tokenizer"].pieces
    fitting = source if same else change_vocabulary(source, tokenizer, seed=seed)
    shapes = jax.eval_shape(task.init, jax.random.key(seed))
    start = choose_start(shapes, fitting.variables, include=include, exclude=exclude, model=model)
    print(describe_start(start, model=model), flush=True)
    return Takeover(start, model, source.metadata.get("evaluation", {}), exact=same and not start.unused)
