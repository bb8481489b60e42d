"""Predicts the rows of a model with prompts: what is asked for is that of the call and of each line of a manifest."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jaxspeech.errors import ConfigError, TokenizerError
from jaxspeech.inference.asking import Asking
from jaxspeech.inference.fusing import Fusing
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.long import LongAudio
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Row
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs, Prediction
from jaxspeech.text.prompt import special_tokens
from jaxspeech.text.prompt_slots import LANGUAGES, TIMESTAMP, UNKNOWN
from jaxspeech.text.prompts import Prompts
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


def language_to_align(row: Row[Prediction], *, prompt: Prompts | None, tokenizer: Tokenizer) -> str | None:
    """Returns the language of a text that is to be aligned with its speech; "" if the model has no languages.

    None: it is a translation, or times in the text are asked for.

    Args:
      row: the recording with its prompt, and the prediction, which has the language that was found.
      prompt, tokenizer: of the model.
    """
    if prompt is None or row.prediction is None:
        return ""
    found = UNKNOWN if row.prediction.language is None else int(row.prediction.language)
    ids = [found if i == UNKNOWN else i for i in row.recording.prompt]
    asks = special_tokens(tokenizer).get(TIMESTAMP) in ids
    return None if asks or not prompt.same_language(ids) else prompt.language(tokenizer, ids)


def prompted_rows(
    long: LongAudio,
    variables: Variables,
    recordings: Iterable[Recording],
    wanted: Wanted,
    outputs: Outputs,
    *,
    recognition: Recognition,
    prompt: Prompts | None,
    tokenizer: Tokenizer,
    aligns: bool = False,
    fusing: Fusing | None = None,
) -> Iterator[Row[Prediction]]:
    """Yields predictions in the order of the recordings, as `LongAudio.rows`.

    Recordings that are asked for different things share batches: each row has its own prompt.

    Args:
      long, variables, recordings, wanted, outputs, recognition: of the model and the call.
      prompt: the model's format; None for a model without prompts.
      tokenizer: the model's tokenizer.
      aligns: whether times come from an alignment of the text; if not, or for a translation, a model that can write
        them into the text is asked to.
      fusing: what the search takes in.

    Raises:
      ConfigError: something is asked for, and the model has no prompts.
      TokenizerError: the model does not have what the call asks for.
    """
    if recognition.prompts is not None and prompt is None:
        raise ConfigError("this model reads prompts, and its file has no format of these among its assets")
    if prompt is None or recognition.prompts is None:
        if wanted.slots:
            raise ConfigError(f"{next(iter(wanted.slots))}: this model has no prompt, and so no such choice")
        if wanted.guard:
            raise ConfigError("guard: only the texts of an attention decoder are guarded; this model has none")
        return long.rows(variables, recordings, wanted, outputs, fusing=fusing)
    if wanted.guard and not recognition.attends:
        raise ConfigError("guard: only the texts of an attention decoder are guarded; this model has none")
    writes = wanted.timestamps and prompt.writes_times(tokenizer)
    times = (writes and not aligns, writes)
    prompts = _Prompts(prompt, tokenizer, wanted.slots, most_tokens=recognition.prompts.most_tokens, times=times)
    prompts.of({})  # what the call asks for is checked at once
    languages = prompt.languages(tokenizer) if LANGUAGES[0] in prompt.slots else ()
    asking = Asking(languages)
    return long.rows(variables, map(prompts.given, recordings), wanted, outputs, asking=asking, fusing=fusing)


class _Prompts:
    """The prompts of recordings; equal ones are encoded once.

    Args:
      prompt, tokenizer: of the model.
      slots: what the call asks for.
      most_tokens: of prompt and text together.
      times: whether times in the text are asked for, of texts in the language that is spoken and of translations.
    """

    def __init__(
        self,
        prompt: Prompts,
        tokenizer: Tokenizer,
        slots: Mapping[str, Any],
        *,
        most_tokens: int,
        times: tuple[bool, bool] = (False, False),
    ):
        self._prompt, self._tokenizer, self._slots, self._most = prompt, tokenizer, slots, most_tokens
        self._last: tuple[Any, tuple[int, ...]] = None, ()
        self._times = times

    def given(self, recording: Recording) -> Recording:
        """Returns a recording with its prompt, or with the problem that it has none."""
        if recording.problem:
            return recording
        try:
            return recording._replace(prompt=self.of(recording.fields))
        except TokenizerError as error:
            return recording._replace(problem=f"{recording.source}: {error}")

    def of(self, fields: Mapping[str, Any]) -> tuple[int, ...]:
        """Encodes the prompt of a manifest's line.

        Raises:
          TokenizerError: the line or the call asks for what the model does not have.
        """
        asked = self._prompt.asked(fields, self._slots)
        if self._last[0] != (key := repr(asked)):  # neighbours mostly ask for the same
            ids = self._encoded(asked)
            if len(ids) >= self._most:
                raise TokenizerError(
                    f"the prompt has {len(ids)} tokens, which leaves none of at most {self._most} for the text; "
                    "shorten decodercontext"
                )
            self._last = key, ids
        return self._last[1]

    def _encoded(self, slots: Mapping[str, Any]) -> tuple[int, ...]:
        ids = self._prompt.encode(self._tokenizer, slots, unknown=UNKNOWN)
        of_same, of_translation = self._times
        if slots.get("timestamp") is None and (of_same if self._prompt.same_language(ids) else of_translation):
            ids = self._prompt.encode(self._tokenizer, {**slots, "timestamp": "yes"}, unknown=UNKNOWN)
        return tuple(ids)
