"""Tokens that mark the end of an utterance, and of a listener's "mhm" (a backchannel): <EOU> and <EOB>.

A model learns them as the last token of each utterance, and its transcripts are shown without them. Source: NeMo's
asr_eou_models.py and audio_to_eou_label_lhotse.py.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from jaxspeech.errors import ManifestError
from jaxspeech.text.tokenizer import Tokenizer

END, BACKCHANNEL = "<EOU>", "<EOB>"
MARKS = (END, BACKCHANNEL)
# The fields of a line with several utterances: their texts, and whether each is a backchannel.
UTTERANCES, IS_BACKCHANNEL = "utterances", "is_backchannel"


def marks_of(tokenizer: Tokenizer) -> Mapping[int, str]:
    """Returns the marks of a tokenizer by their ids; none for most."""
    return _marks(tuple(tokenizer.pieces))


@lru_cache(maxsize=16)
def _marks(pieces: tuple[str, ...]) -> Mapping[int, str]:
    return MappingProxyType({i: piece for i, piece in enumerate(pieces) if piece in MARKS})


def spoken_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Returns the text of tokens without marks."""
    marks = marks_of(tokenizer)
    return tokenizer.decode([i for i in ids if i not in marks] if marks else list(ids))


def marked_utterances(fields: Mapping[str, Any], field: str = "text") -> list[tuple[str, str]]:
    """Returns the texts of a line's utterances with the mark of each: those of "utterances", or its only one.

    Empty utterances are left out.

    Raises:
      ManifestError: there is no text, or there are not as many backchannels as utterances.
    """
    said = fields.get(UTTERANCES)
    if said is None:
        said = fields.get(field)
        if not isinstance(said, str):
            raise ManifestError(f"no {field}")
    said = said if isinstance(said, list) else [said]
    backchannel = fields.get(IS_BACKCHANNEL)
    backchannel = backchannel if isinstance(backchannel, list) else [backchannel] * len(said)
    if len(backchannel) != len(said):
        raise ManifestError(f"{len(said)} {UTTERANCES}, and {len(backchannel)} values of {IS_BACKCHANNEL}")
    return [(str(text), BACKCHANNEL if back else END) for text, back in zip(said, backchannel, strict=True) if text]
