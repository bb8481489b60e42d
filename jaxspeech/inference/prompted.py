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
from jaxspeech.text.prompt import ALIASES, PROMPT, TIMESTAMP, PromptFormat, collection, special_tokens
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


def slots_of(prompt: PromptFormat, wanted: Wanted, recording: Recording) -> dict[str, Any]:
    """Returns what is asked for: by the recording's line of a manifest, or else by the call."""
    names = {*prompt.slots, *(name for name, slot in ALIASES.items() if slot in prompt.slots)}
    return {**wanted.slots, **{name: value for name, value in recording.fields.items() if name in names}}


def language_to_align(
    recording: Recording, *, wanted: Wanted, prompt: PromptFormat | None, tokenizer: Tokenizer
) -> str | None:
    """Returns the language of a text that is to be aligned with its speech; "" if the model has no languages.

    None: it is a translation, or times in the text are asked for.
    """
    if prompt is None:
        return ""
    ids = prompt.encode(tokenizer, slots_of(prompt, wanted, recording))
    asks = special_tokens(tokenizer).get(TIMESTAMP) in ids
    return None if asks or not prompt.same_language(ids) else prompt.language(tokenizer, ids)


def prompted_rows(
    long: LongAudio,
    variables: Variables,
    recordings: Iterable[Recording],
    wanted: Wanted,
    outputs: Outputs,
    *,
    prompt: PromptFormat | None,
    tokenizer: Tokenizer,
    aligns: bool = False,
) -> Iterator[Row[Prediction]]:
    """Yields predictions in the order of the recordings, as `LongAudio.rows`.

    Neighbours that are asked for the same share batches. All prompts share the compiled programs.

    Args:
      long, variables, recordings, wanted, outputs: of the model and the call.
      prompt: the model's format; None for a model without prompts.
      tokenizer: the model's tokenizer.
      aligns: whether times come from an alignment of the text; if not, or for a translation, a model that can write
        them into the text is asked to.

    Raises:
      ConfigError: something is asked for, and the model has no prompts.
      TokenizerError: the model does not have what the call asks for.
    """
    if prompt is None:
        if wanted.slots:
            raise ConfigError(f"{next(iter(wanted.slots))}: this model has no prompt, and so no such choice")
        return long.rows(variables, recordings, wanted, outputs)
    prompt.encode(tokenizer, wanted.slots)
    writes = wanted.timestamps and prompt.writes_times(tokenizer)

    def asked(recording: Recording) -> tuple[Recording, tuple[int, ...]]:
        slots = slots_of(prompt, wanted, recording)
        try:
            ids = prompt.encode(tokenizer, slots)
            if writes and slots.get("timestamp") is None and not (aligns and prompt.same_language(ids)):
                ids = prompt.encode(tokenizer, {**slots, "timestamp": "yes"})
            return recording, tuple(ids)
        except TokenizerError as error:
            return recording._replace(problem=f"{recording.source}: {error}"), ()

    def rows() -> Iterator[Row[Prediction]]:
        for ids, group in itertools.groupby(map(asked, recordings), key=lambda pair: pair[1]):
            of_group: dict[str, Any] = {**variables, PROMPT: collection(ids or (0,))}
            yield from long.rows(of_group, (recording for recording, _ in group), wanted, outputs)

    return rows()
