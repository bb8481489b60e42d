"""What an evaluation set is, in a few characters: the same wherever its files lie."""

import hashlib
import json
from collections.abc import Iterable

from jaxspeech.data.manifest import Entry


def identity(entries: Iterable[Entry], fields: tuple[str, ...] = ("text",)) -> str:
    """A hash of what these fields of the manifest hold and of the durations (to the millisecond), in order.

    A score belongs to it: with the transcripts, a word error rate.
    """
    digest = hashlib.sha256()
    for entry in entries:
        values = [entry.fields.get(field, "") for field in fields]
        digest.update(json.dumps([*values, round(entry.duration, 3)], ensure_ascii=False).encode())
    return digest.hexdigest()[:16]
