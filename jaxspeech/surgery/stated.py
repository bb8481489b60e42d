"""What an archive states of its model, and what of it still holds after a change."""

from typing import Any

from jaxspeech.archive import Archive

# In the metadata of an archive: the scores of the model as it was when it was saved.
SCORES = ("evaluation", "scores", "wer")


def changed(archive: Archive, **fields: Any) -> Archive:
    """The archive with other fields, without the scores of the model that it was."""
    metadata = {name: value for name, value in archive.metadata.items() if name not in SCORES}
    return archive._replace(metadata=metadata, **fields)
