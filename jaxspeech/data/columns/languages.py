"""The language column: the prompt of each example, for models with a language prompt."""

import numpy as np
from jaxtyping import Int

from jaxspeech.data.columns.column import Column
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.variant import Variant
from jaxspeech.errors import ManifestError, SpeechError, did_you_mean
from jaxspeech.manifest_lines import parse_line
from jaxspeech.text.language_names import LanguageNames
from jaxspeech.text.prompt_slots import AUTO

# The field of a line that replaces the mode of the recipe.
MODE = "prompt_mode"
MODES = {"langid": "langID", "auto": "auto", "unified": "unified"}
# Keeps these draws apart from those of other columns.
OWN_SEED = 0x1A46


def languages(manifest: ExampleSet, names: LanguageNames, *, mode: str, auto_share: float, train: bool) -> Column:
    """Make the column of prompts; an example is usable if the model knows its language.

    In training with the mode "unified" the prompt is drawn again in each epoch, from the number of the example alone.

    Args:
      manifest: the examples, with their language in "target_lang" or "lang"; a "prompt_mode" replaces the mode.
      names: the languages of the model.
      mode, auto_share: those of `decoders.language_prompt.LanguagePrompt`.
      train: whether the examples are trained on; if not, the prompt of "unified" is the language.
    """
    number = np.full(len(manifest), -1, np.int32)
    drawn = np.zeros(len(manifest), bool)
    for example, line in enumerate(manifest.lines()):
        try:
            number[example], drawn[example] = _prompt_of(parse_line(line), names, mode)
        except SpeechError:  # raised again by `row`
            continue
    auto = names.languages_by_name.get(AUTO)

    def row(example: int, variant: Variant) -> Int[np.ndarray, ""]:
        if number[example] < 0:
            _prompt_of(manifest[example].fields, names, mode)
        if train and drawn[example] and variant.generator(OWN_SEED).random() < auto_share:
            assert auto is not None
            return np.asarray(auto, np.int32)
        return np.asarray(number[example], np.int32)

    return Column(np.int32, (), None, number >= 0, row)


def _prompt_of(fields: dict[str, object], names: LanguageNames, mode: str) -> tuple[int, bool]:
    """Returns the prompt of a line, and whether "auto" may be drawn instead.

    Raises:
      SpeechError: the model does not know the language or "auto", or there is no such mode.
    """
    given = str(fields.get(MODE) or mode)
    if given.lower() not in MODES:
        raise ManifestError(f"{MODE} {given!r}{did_you_mean(given, MODES.values())}")
    mode = MODES[given.lower()]
    if mode == "auto":
        return names.encode(None, {"target_lang": AUTO})[0], False
    [number] = names.encode(None, names.asked(fields, {}))
    if mode == "unified":
        names.encode(None, {"target_lang": AUTO})
    return number, mode == "unified"
