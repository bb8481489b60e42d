"""Reads the folder of a SALM, a language model that hears, that NeMo saved: without torch, peft or transformers.

    config.json                     of the training run: encoder, connector, LoRA, prompts
    model.safetensors               all weights; of a tied head only the table, of LoRA its two matrices beside W
    llm_backbone/config.json        the language model's own, of Transformers
    tokenizer.json, tokenizer_config.json

NeMo itself writes the first two (`save_pretrained`) and finds the others by the name of the language model. Here they
are taken from the folder, or from a second one that holds the language model; a known language model's shape is known
(`salm_backbones`).
"""

import os
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import unstacked
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.families.acoustic import acoustic_derived
from jaxspeech.interop.nemo.salm_backbones import BACKBONES
from jaxspeech.interop.nemo.salm_config import chat_of, is_salm, model_of
from jaxspeech.interop.nemo.weights.connector import PERCEPTION, perception_rows
from jaxspeech.interop.nemo.weights.derived import Derived, check, keep
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.transformers.causal_config import read_causal_config
from jaxspeech.interop.transformers.causal_rows import UNUSED, causal_rows
from jaxspeech.interop.transformers.folder import CONFIG, TOKENIZER, read_json, stored_tensors
from jaxspeech.text.byte_pair import BytePairTokenizer, read_byte_pair
from jaxspeech.text.chat import CHAT

BACKBONE, NAME = "llm_backbone", "pretrained_llm"
TABLE = "embed_tokens.weight"
# Positions of attention, which some versions save.
POSITIONS = ("perception.{any}.pos_enc.pe",)


def is_salm_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that NeMo saved of such a model."""
    try:
        return is_salm(read_json(Path(path) / CONFIG))
    except SpeechError:
        return False


def missing_backbone(path: str | os.PathLike[str]) -> str | None:
    """The name of the published language model whose tokenizer is not in the folder; None if it is, or is not known."""
    folder = Path(path)
    if any((place / TOKENIZER).is_file() for place in (folder, folder / BACKBONE)):
        return None
    name = str(read_json(folder / CONFIG).get(NAME))
    return name if name in BACKBONES else None


def load_salm(
    path: str | os.PathLike[str],
    *,
    backbone: str | os.PathLike[str] | None = None,
    dtype: Any = None,
    stacked: bool = True,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Archive:
    """Reads a model. No code in the folder runs, and nothing is written.

    Args:
      path: the folder.
      backbone: a folder with config.json and tokenizer.json of the language model, for a folder that lacks them.
      dtype: of the parameters; None: float32, but the language model's as in the file, half precision too.
      stacked: True stacks equal layers on a leading axis, as for training; False keeps them separate, as for inference.
      place: called with each array as soon as it is complete; what it returns is kept.

    Raises:
      ArchiveError: the folder is missing, damaged or hostile, or the model is not supported; lists all reasons.
    """
    folder = Path(path)
    try:
        config = read_json(folder / CONFIG)
        if not is_salm(config):
            raise ArchiveError(f"its {CONFIG} is not that of a SALM")
        given = None if backbone is None else Path(backbone)
        llm = _llm_config(folder, given, config)
        tensors = stored_tensors(folder)
        model = model_of(config, _decoder(llm, tensors, dtype))
        tokenizer = _tokenizer(folder, given, config)
        chat = chat_of(config, tokenizer)
        model["search"] = {"end_ids": chat.end_ids(tokenizer)}
        if tokenizer.vocab_size > model["decoder"]["vocab_size"]:
            raise ArchiveError(
                f"its tokenizer has {tokenizer.vocab_size} tokens, its LLM {model['decoder']['vocab_size']}"
            )
        if not stacked:
            model = unstacked(model)
        module, expected = build_with_shapes(model)
        derived = salm_derived(module)
        check(tensors, derived)
        rows = salm_rows(model, tensors)
        wide = {
            name: _Float32(t) if dtype is None and name.startswith(PERCEPTION) else t for name, t in tensors.items()
        }
        options: dict[str, Any] = {"unused": [*derived, *POSITIONS, *UNUSED], "dtype": dtype, "place": place}
        variables = to_variables(wide, rows, expected, as_stored=dtype is None, **options)
    except SpeechError as error:
        raise ArchiveError(f"{folder}: {error}") from error
    metadata = {"source": "nemo", "nemo_config": config, "llm_config": llm, "nemo_derived": keep(tensors, derived)}
    return Archive(model, {"tokenizer": tokenizer, CHAT: chat}, variables, metadata)


def salm_rows(model: Mapping[str, Any], names: Container[str] = ()) -> list[TensorRow]:
    """The rows of a whole model; `names` are those of a file, which may have a tied head although it is the table."""
    decoder = model["decoder"]
    prefix = "llm.base_model.model" if (decoder.get("lora") or {}).get("rank") else "llm"
    head = f"{prefix}.lm_head.weight"
    rows = [*causal_rows(decoder, trunk=f"{prefix}.model", table=TABLE, head=head), *perception_rows(model)]
    if decoder["tied"] and head in names:
        rows += [row._replace(nemo=head) for row in rows if row.nemo == TABLE]
    return rows


def salm_derived(module: Any) -> Derived:
    """The tensors of a file that follow from its configuration."""
    return {f"{PERCEPTION}.{name}": value for name, value in acoustic_derived(module).items()}


class _Float32:
    """A stored tensor, to be read as float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, tensor: Any):
        self.shape, self._tensor = tensor.shape, tensor

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._tensor).astype(dtype or self.dtype)


def _decoder(llm: Mapping[str, Any], tensors: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Our section of the language model, which computes in the dtype of its weights."""
    decoder = read_causal_config(llm, f"{BACKBONE}/{CONFIG}")
    stored = tensors[TABLE].dtype if TABLE in tensors else np.dtype(np.float32)
    return decoder | {"dtype": np.dtype(stored if dtype is None else dtype).name}


def _llm_config(folder: Path, backbone: Path | None, config: Mapping[str, Any]) -> dict[str, Any]:
    for place in (folder / BACKBONE, backbone):
        if place is not None and (place / CONFIG).is_file():
            return read_json(place / CONFIG)
    name = str(config.get(NAME))
    if name not in BACKBONES:
        raise ArchiveError(
            f"has no {BACKBONE}/{CONFIG}, and the shape of its language model {name!r} is not known (only those of "
            f"{', '.join(BACKBONES)}): copy the model's {CONFIG} there"
        )
    return dict(BACKBONES[name])


def _tokenizer(folder: Path, backbone: Path | None, config: Mapping[str, Any]) -> BytePairTokenizer:
    for place in (folder, folder / BACKBONE, backbone):
        if place is not None and (place / TOKENIZER).is_file():
            return read_byte_pair(place)
    raise ArchiveError(f"has no {TOKENIZER}: copy that of its language model {config.get(NAME)!r} there")
