"""The tokens of a recognition model: its tokenizer as an asset, and as sections and files of NeMo's."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.interop.nemo.tokenizer_files import tokenizer_files
from jaxspeech.text.tokenizer import Tokenizer

# The sections of any recognition model: one may have changed its family since it came from NeMo.
RECOGNITION_SECTIONS = (
    *("preprocessor", "spec_augment", "encoder", "decoder", "joint", "loss", "aux_ctc", "tokenizer", "labels"),
)
# NeMo looks into validation_ds while it transcribes.
NO_TRAINING = {
    "train_ds": None,
    "validation_ds": {"manifest_filepath": None, "use_start_end_token": False},
    "optim": None,
}


class NemoTokens(NamedTuple):
    """The tokens as NeMo has them.

    Attributes:
      labels: all pieces, without the blank.
      section: {"tokenizer": ...}; empty where tokens are characters, of which NeMo has the labels alone.
      files: of the tokenizer.
    """

    labels: list[str]
    section: dict[str, Any]
    files: dict[str, bytes]


def recognition_assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer, which must have as many tokens as the decoder."""
    return {"tokenizer": read_tokenizer(file, config, model["decoder"]["vocab_size"])}


def nemo_tokens(source: Source) -> NemoTokens:
    """The tokens of a model that is to be written."""
    if "tokenizer" not in source.assets:
        raise ArchiveError("it has no tokenizer, without which NeMo cannot restore a recognition model")
    tokenizer: Tokenizer = source.assets["tokenizer"]
    section, files = tokenizer_files(tokenizer.config(), tokenizer.files())
    return NemoTokens(list(tokenizer.pieces), {} if section is None else {"tokenizer": section}, files)


def chosen_class(classes: Mapping[str, str], tokens: NemoTokens) -> str:
    """Which of NeMo's two classes of a family it is: the first has a tokenizer, the second has characters."""
    with_tokenizer, of_characters = classes
    return with_tokenizer if tokens.section else of_characters
