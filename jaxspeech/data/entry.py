"""One example of a manifest: where its audio is, and the fields of its line."""

from typing import Any, NamedTuple

from jaxspeech.data.files import Location


class Entry(NamedTuple):
    """One example of a manifest.

    Attributes:
      path: the file that holds the audio: an absolute path (relative ones start at the manifest's folder), or a URL.
      offset: start of the example in the recording, in seconds.
      duration: length of the example, in seconds.
      fields: all fields of the line, including "text"; the path of an RTTM file is absolute, as `path` is.
      member: name of the recording in a tar, or its position in an ArrayRecord file; None where the file is the
        recording itself.
    """

    path: Location
    offset: float
    duration: float
    fields: dict[str, Any]
    member: str | int | None = None
