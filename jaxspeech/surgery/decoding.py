"""Changes the search of a recogniser."""

from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.builder import TASKS, build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.search import with_search
from jaxspeech.surgery.stated import changed


def change_decoding(
    archive: Archive,
    *,
    head: str | None = None,
    beam_size: int | None = None,
    max_symbols: int | None = None,
    length_bonus: float | None = None,
    ctc_weight: float | None = None,
    language: str | None = None,
) -> Archive:
    """Returns the model with other search options; None keeps an option.

    Args:
      archive: any recogniser.
      head: of a hybrid model, "transducer" or "ctc".
      beam_size: texts of the beam search; 1 for the greedy search.
      max_symbols: maximum number of tokens that a transducer emits per frame.
      length_bonus: of CTC, what each token adds to the score of the beam search; useful with a language model.
      ctc_weight: of an attention decoder with a CTC head, the head's weight in the beam search.
      language: of a model with a softmax for each language, the one that is spoken.

    Raises:
      ConfigError: the model does not have this option.
    """
    options: Any = {"head": head, "beam_size": beam_size, "length_bonus": length_bonus, "ctc_weight": ctc_weight}
    model = with_search(archive.model, **options, language=language)
    if max_symbols is not None:
        if not hasattr(TASKS[model["task"]].sections.get("search"), "max_symbols"):
            raise ConfigError("max_symbols: only a transducer has this option")
        model = model | {"search": {**model.get("search", {}), "max_symbols": max_symbols}}
    build(model)  # checks the options
    return changed(archive, model=model)
