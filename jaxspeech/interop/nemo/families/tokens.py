"""Translates the tokens of a recognition model between our tokenizer asset and NeMo's sections and files."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.families.language_prompt import is_prompted, prompt_assets
from jaxspeech.interop.nemo.sections.read import class_name
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.interop.nemo.tokenizer_files import tokenizer_files
from jaxspeech.text.tokenizer import Tokenizer

# The sections of all recognition models, because a model may have changed its family since it came from NeMo.
RECOGNITION_SECTIONS = (
    *(
        "preprocessor",
        "spec_augment",
        "encoder",
        "decoder",
        "joint",
        "loss",
        "aux_ctc",
        "interctc",
        "tokenizer",
        "labels",
        "adapters",
    ),
)
# NeMo reads validation_ds when it transcribes.
NO_TRAINING = {
    "train_ds": None,
    "validation_ds": {"manifest_filepath": None, "use_start_end_token": False},
    "optim": None,
}
# Tokens of the classes that predict the end of an utterance, and the end of a listener's "mhm".
END_OF_UTTERANCE = {"<EOU>", "<EOB>"}


class NemoTokens(NamedTuple):
    """The tokens in NeMo's form.

    Attributes:
      labels: all pieces, without the blank.
      section: {"tokenizer": ...}; empty if tokens are characters, for which NeMo has only the labels.
      files: of the tokenizer.
    """

    labels: list[str]
    section: dict[str, Any]
    files: dict[str, bytes]


def recognition_assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the tokenizer, which must have as many tokens as the decoder, and the names of a language prompt."""
    tokenizer = read_tokenizer(file, config, model["decoder"]["vocab_size"])
    return {"tokenizer": tokenizer} | prompt_assets(config, model)


def nemo_tokens(source: Source) -> NemoTokens:
    """Translates the tokens of a model to NeMo's form."""
    if "tokenizer" not in source.assets:
        raise ArchiveError("it has no tokenizer, without which NeMo cannot restore a recognition model")
    tokenizer: Tokenizer = source.assets["tokenizer"]
    section, files = tokenizer_files(tokenizer.config(), tokenizer.files())
    return NemoTokens(list(tokenizer.pieces), {} if section is None else {"tokenizer": section}, files)


def chosen_class(
    classes: Mapping[str, str], tokens: NemoTokens, base: Mapping[str, Any], *, prompted: bool = False
) -> str:
    """Chooses one of NeMo's classes of a family: the first has a tokenizer, the second has characters.

    The others predict the end of an utterance, or have a language prompt. One of the former is kept if the model came
    with it and still has its tokens.

    Args:
      classes: of the family, by name.
      tokens: the model's.
      base: NeMo's configuration that it came with.
      prompted: whether it has a language prompt.

    Raises:
      ArchiveError: it has a language prompt, and NeMo has no such class of this family.
    """
    with_tokenizer, of_characters, *others = classes
    for_utterances, with_prompt = ([name for name in others if is_prompted(name) == kind] for kind in (False, True))
    if prompted:
        if not (with_prompt and tokens.section):
            raise ArchiveError("NeMo has a language prompt only for transducers and hybrids with a tokenizer of pieces")
        return with_prompt[0]
    before = class_name(base.get("target"))
    if before in for_utterances and set(tokens.labels) >= END_OF_UTTERANCE:
        return before
    return with_tokenizer if tokens.section else of_characters
