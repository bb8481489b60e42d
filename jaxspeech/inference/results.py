"""Makes the result of each row; whatever is raised for one recording is that recording's result."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from jaxspeech.errors import ConfigError, SpeechError, as_speech_error
from jaxspeech.inference.options import OnError
from jaxspeech.inference.rows import Row

R = TypeVar("R")


def results_of(
    rows: Iterable[Row[Any]],
    make: Callable[[Row[Any]], R],
    failed: Callable[[Row[Any], SpeechError], R],
    *,
    on_error: OnError,
) -> Iterator[R]:
    """Yields one result for each row, in order; every pipeline ends with this.

    Args:
      rows: of `predicted_rows`.
      make: makes the result of a row without an error; it may raise anything.
      failed: makes the result that says why there is none.
      on_error: "raise" the first error instead of yielding a result that says it, or "skip".

    Raises:
      SpeechError: with on_error="raise".
    """
    for row in rows:
        error = row.error
        if error is None:
            try:
                result = make(row)
            except ConfigError:  # of the options or the model, not of a recording
                raise
            except Exception as raised:
                error = as_speech_error(raised, row.recording.source)
            else:
                yield result
                continue
        if on_error == "raise":
            raise error
        yield failed(row, error)
