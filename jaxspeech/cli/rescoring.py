"""Options for choosing among the alternatives of a search by a language model, and tuning its weights."""

import argparse
from typing import TYPE_CHECKING, Any

from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.errors import ConfigError

if TYPE_CHECKING:
    from jaxspeech.inference.hypothesis import Hypothesis

OPTIONS = ("alternatives", "rescore", "rescore_weight", "length_reward")


def add_rescoring(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--alternatives",
        type=at_least(1),
        help="how many of a beam search's best texts --format=jsonl has; with --rescore, among how many to choose",
    )
    parser.add_argument(
        "--rescore",
        metavar="LM",
        help="a language model of the recipe language_model, which chooses among the texts of a beam search",
    )
    parser.add_argument("--rescore_weight", type=float, help="of its log-probabilities; 0.5 if not given")
    parser.add_argument("--length_reward", type=float, help="--rescore: for each token; 0 if not given")
    parser.add_switch(
        "tune_rescoring",
        help="--rescore: print the two weights that give the fewest word errors on the recordings of a manifest with "
        "texts",
    )


def rescoring_of(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of `transcribe` that are given.

    Raises:
      ConfigError: an option lacks another one.
    """
    given = {name: getattr(flags, name) for name in OPTIONS if getattr(flags, name) is not None}
    if flags.stream and given:
        raise ConfigError(f"--{next(iter(given))} is for whole recordings: leave out --stream")
    for name in ("rescore_weight", "length_reward", "tune_rescoring"):
        if getattr(flags, name) not in (None, False) and flags.rescore is None:
            raise ConfigError(f"--{name}: name a language model, --rescore=LM")
    if flags.tune_rescoring and not flags.manifest:
        raise ConfigError("--tune_rescoring needs a manifest with texts: --manifest=dev.jsonl")
    return given


class Tuner:
    """Collects alternatives and what was said, and finds the weights of `search.rescore` for them."""

    def __init__(self) -> None:
        self._found: list[Any] = []
        self._words = 0

    def add(self, said: str, hypothesis: "Hypothesis") -> None:
        """Takes one recording; one without alternatives counts nowhere."""
        import numpy as np

        from jaxspeech.search.rescore import Alternatives
        from jaxspeech.text.error_rate import word_errors

        if not hypothesis.alternatives:
            return
        # In the order of the search, whose first is its choice.
        found = sorted(hypothesis.alternatives, key=lambda one: -one.acoustic)
        counts = [word_errors([said], [one.text]) for one in found]
        self._words += counts[0].length
        columns = [[one.acoustic for one in found], [one.lm for one in found], [len(one.tokens) for one in found]]
        arrays = (np.array(column, np.float64) for column in columns)
        self._found.append(Alternatives(*arrays, errors=np.array([count.errors for count in counts])))

    def line(self) -> str:
        """Says which weights are best, and how good they are."""
        from jaxspeech.search.rescore import Weights, count_errors, tune

        if not self._words:
            return "--tune_rescoring: no recording has both alternatives and a text"
        weights, errors = tune(self._found)
        alone = count_errors(self._found, Weights(0.0, 0.0))
        fewest = sum(int(found.errors.min()) for found in self._found)
        shares = [f"{count / self._words:.2%}" for count in (errors, alone, fewest)]
        return (
            f"--rescore_weight={weights.lm:.3g} --length_reward={weights.length:.3g}: WER {shares[0]} on these "
            f"{len(self._found)} recordings, {shares[1]} by the search's scores alone, {shares[2]} at best"
        )
