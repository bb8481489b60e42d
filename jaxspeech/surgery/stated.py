"""Removes from an archive's metadata what a change of the model makes invalid."""

from typing import Any

from jaxspeech.archive import Archive

# Keys of an archive's metadata with the scores of the saved model.
SCORES = ("evaluation", "scores", "wer")


def changed(archive: Archive, **fields: Any) -> Archive:
    """Replaces fields of an archive, and drops the scores, which are those of the original model."""
    metadata = {name: value for name, value in archive.metadata.items() if name not in SCORES}
    return archive._replace(metadata=metadata, **fields)
