"""Copies what can be read only once, such as a pipe, to memory or a temporary file, so that it can be sought."""

import shutil
import tempfile
from typing import IO, Any

from jaxspeech.errors import AudioError

# More than this goes to a temporary file.
IN_MEMORY_BYTES = 1 << 24


def spool(stream: Any, *, name: str) -> IO[bytes]:
    """Reads a binary stream to its end and returns a file with its bytes, at its start.

    Raises:
      AudioError: the stream cannot be read, or there is no room for it.
    """
    copy = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115  the caller closes it
    try:
        shutil.copyfileobj(stream, copy, 1 << 16)
    except OSError as error:
        copy.close()
        raise AudioError(f"{name}: cannot be read: {error.strerror or error}") from error
    copy.seek(0)
    return copy  # pyright: ignore[reportReturnType]
