"""Changes the search of a model: only its configuration differs."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jaxspeech.builder import TASKS
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.tasks.hybrid import HEADS


def with_search(
    config: dict[str, Any],
    *,
    head: str | None = None,
    beam_size: int | None = None,
    length_bonus: float | None = None,
    ctc_weight: float | None = None,
    language: str | None = None,
    search: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The configuration of the same model with different search settings.

    Args:
      config: as `build` takes it; it is not changed.
      head: for a hybrid model, "transducer" or "ctc".
      beam_size: 1 is greedy search.
      length_bonus: for the beam search of CTC, what each token adds to the score.
      ctc_weight: for an attention decoder with a CTC head, the head's weight in the beam search.
      language: for a model with a softmax for each language, the one that is spoken.
      search: further options of the model's search by their names, such as `candidates` (`tasks.ctc_search.CTCSearch`).

    Raises:
      ConfigError: the model does not have this choice.
    """
    options, known = dict(config.get("search", {})), TASKS[config["task"]].sections.get("search")
    defaults = {} if known is None else {field.name: field.default for field in fields(known)}
    for name, value in (search or {}).items():
        if name not in defaults:
            raise ConfigError(f"search: {name!r}{did_you_mean(name, defaults)}")
        for kind, allowed, noun in ((int, int, "a whole number"), (float, int | float, "a number")):
            if type(defaults[name]) is kind and not (isinstance(value, allowed) and not isinstance(value, bool)):
                raise ConfigError(f"search: {name} is {value!r}; it must be {noun}")
        options[name] = float(value) if isinstance(defaults[name], float) else value
    if head is not None:
        if head not in HEADS:
            raise ConfigError(f"head {head!r}{did_you_mean(head, HEADS)}")
        if not hasattr(known, "head"):
            raise ConfigError(
                f"head {head!r}: only a hybrid model has a choice; the task of this one is {config['task']}"
            )
        options["head"] = head
    if beam_size is not None:
        if beam_size < 1:
            raise ConfigError(f"beam_size is {beam_size}; it must be at least 1")
        if known is None:
            raise ConfigError(f"beam_size {beam_size}: a model of the task {config['task']} has no search")
        options["beam_size"] = beam_size
    if length_bonus is not None:
        if not hasattr(known, "length_bonus"):
            raise ConfigError(f"length_bonus {length_bonus}: only the beam search of CTC has this option")
        options["length_bonus"] = length_bonus
    if ctc_weight is not None:
        if not hasattr(known, "ctc_weight"):
            raise ConfigError(f"ctc_weight {ctc_weight}: only an attention decoder with a CTC head has this option")
        options["ctc_weight"] = ctc_weight
    if language is not None:
        languages = config["decoder"].get("languages") or ()
        if not languages:
            raise ConfigError(
                f"language {language!r}: this model has no choice of a language; one with prompts takes source_lang"
            )
        if language not in languages:
            raise ConfigError(f"language {language!r}{did_you_mean(language, languages)}")
        config = config | {"decoder": {**config["decoder"], "language": language}}
    return config | {"search": options} if options else config
