"""A recogniser with another search."""

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.search import with_search
from jaxspeech.surgery.stated import changed


def change_decoding(
    archive: Archive, *, head: str | None = None, beam_size: int | None = None, max_symbols: int | None = None
) -> Archive:
    """The same model with another search; None leaves an option as it is.

    Args:
      archive: any recogniser.
      head: of a hybrid model, "transducer" or "ctc".
      beam_size: of a transducer; 1 is the greedy search.
      max_symbols: most tokens that a transducer emits at one frame.

    Raises:
      ConfigError: the model has no such choice.
    """
    model = with_search(archive.model, head=head, beam_size=beam_size)
    if max_symbols is not None:
        if not hasattr(build(model).model, "search"):
            raise ConfigError("max_symbols: only a transducer has it, not CTC")
        model = model | {"search": {**model.get("search", {}), "max_symbols": max_symbols}}
    build(model)  # checks the options
    return changed(archive, model=model)
