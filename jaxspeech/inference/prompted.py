"""Predicts the rows of a model with prompts: what is asked for is that of the call and of each line of a manifest."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from jaxspeech.errors import ConfigError, TokenizerError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.long import LongAudio
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Row
from jaxspeech.tasks.prediction import Outputs, Prediction
from jaxspeech.text.prompt import ALIASES, PROMPT, PromptFormat, collection
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


def prompted_rows(
    long: LongAudio,
    variables: Variables,
    recordings: Iterable[Recording],
    wanted: Wanted,
    outputs: Outputs,
    *,
    prompt: PromptFormat | None,
    tokenizer: Tokenizer,
) -> Iterator[Row[Prediction]]:
    """Yields predictions in the order of the recordings, as `LongAudio.rows`.

    Neighbours that are asked for the same share batches. All prompts share the compiled programs.

    Args:
      long, variables, recordings, wanted, outputs: of the model and the call.
      prompt: the model's format; None for a model without prompts.
      tokenizer: the model's tokenizer.

    Raises:
      ConfigError: something is asked for, and the model has no prompts.
      TokenizerError: the model does not have what the call asks for.
    """
    if prompt is None:
        if wanted.slots:
            raise ConfigError(f"{next(iter(wanted.slots))}: this model has no prompt, and so no such choice")
        return long.rows(variables, recordings, wanted, outputs)
    prompt.encode(tokenizer, wanted.slots)
    names = {*prompt.slots, *(name for name, slot in ALIASES.items() if slot in prompt.slots)}

    def asked(recording: Recording) -> tuple[Recording, tuple[int, ...]]:
        own = {name: value for name, value in recording.fields.items() if name in names}
        try:
            return recording, tuple(prompt.encode(tokenizer, {**wanted.slots, **own}))
        except TokenizerError as error:
            return recording._replace(problem=f"{recording.source}: {error}"), ()

    def rows() -> Iterator[Row[Prediction]]:
        for ids, group in itertools.groupby(map(asked, recordings), key=lambda pair: pair[1]):
            of_group: dict[str, Any] = {**variables, PROMPT: collection(ids or (0,))}
            yield from long.rows(of_group, (recording for recording, _ in group), wanted, outputs)

    return rows()
