"""Loads a folder that Hugging Face Transformers saved as a model of ours: configuration, tokenizer, weights."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import unstacked
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.weights.read import to_variables
from jaxspeech.interop.transformers.canary import ALIGNMENT, UNUSED, prompt_of, with_both_tables
from jaxspeech.interop.transformers.config import translate_model
from jaxspeech.interop.transformers.names import transformers_rows, with_present_names
from jaxspeech.interop.transformers.safetensors import StoredTensor, read_safetensors
from jaxspeech.interop.transformers.tokenizer import count_tokens, read_tokenizer

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
# The feature extractor's fields are in a file of their own, or (later versions) in a part of the second file.
EXTRACTOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
WEIGHTS, SHARDS = "model.safetensors", "model.safetensors.index.json"
LARGEST_JSON_BYTES = 1 << 27
EMBEDDING = "decoder.embedding.weight"


def load_transformers(
    path: str | os.PathLike[str],
    *,
    dtype: Any = None,
    stacked: bool = True,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Archive:
    """Reads a Parakeet or Canary model in the layout of Transformers. No code in it runs, and nothing is written.

    Args:
      path: a folder with config.json, processor_config.json or preprocessor_config.json, tokenizer.json, and
        model.safetensors or its shards.
      dtype: of the floating-point parameters; None for float32.
      stacked: True stacks equal layers on a leading axis, as for training; False keeps them separate, as for inference
        (see `encoders.layer_stack`).
      place: called with each array as soon as it is complete; what it returns is kept.
    Returns:
      The model.
    Raises:
      ArchiveError: the folder is missing, damaged or hostile, or the model is not supported; lists all reasons.
    """
    folder = Path(path)
    try:
        config = _read_json(folder / CONFIG)
        model = translate_model(config, _extractor(folder))
        if not stacked:
            model = unstacked(model)
        content = _read_json(folder / TOKENIZER)
        assets: dict[str, Any] = {}
        if model["task"] == "attention":
            outputs = model["decoder"]["vocab_size"]
            model["decoder"]["vocab_size"] = count_tokens(content, outputs, multiple=ALIGNMENT)
            assets["tokenizer"] = read_tokenizer(content, model["decoder"]["vocab_size"])
            assets["prompt"] = prompt_of(config, assets["tokenizer"])
        else:
            assets["tokenizer"] = read_tokenizer(content, model["decoder"]["vocab_size"])
        _, expected = build_with_shapes(model)
        tensors = with_both_tables(with_present_names(_tensors(folder)))
        if EMBEDDING in tensors and np.asarray(tensors[EMBEDDING])[-1:].any():
            raise ArchiveError("not supported: an embedding of the blank that is not zero")
        variables = to_variables(tensors, transformers_rows(model), expected, unused=UNUSED, dtype=dtype, place=place)
    except SpeechError as error:
        raise ArchiveError(f"{folder}: {error}") from error
    return Archive(model, assets, variables, {"source": "transformers", "transformers_config": config})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            content = stream.read(LARGEST_JSON_BYTES + 1)
        if len(content) > LARGEST_JSON_BYTES:
            raise ArchiveError(f"{path.name} is larger than {LARGEST_JSON_BYTES} bytes")
        found = json.loads(content.decode())
    except FileNotFoundError:
        raise ArchiveError(f"has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{path.name} is not JSON, or damaged ({error})") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{path.name} is not a dict")
    return found


def _extractor(folder: Path) -> dict[str, Any]:
    if (folder / EXTRACTOR).is_file():
        return _read_json(folder / EXTRACTOR)
    if not (folder / PROCESSOR).is_file():
        raise ArchiveError(f"has neither {EXTRACTOR} nor {PROCESSOR}")
    extractor = _read_json(folder / PROCESSOR).get("feature_extractor")
    if not isinstance(extractor, dict):
        raise ArchiveError(f"its {PROCESSOR} has no feature_extractor")
    return extractor


def _tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of the single file, or of the shards that the index names."""
    if (folder / WEIGHTS).is_file():
        return read_safetensors(folder / WEIGHTS)
    if not (folder / SHARDS).is_file():
        raise ArchiveError(f"has neither {WEIGHTS} nor {SHARDS}")
    names = _read_json(folder / SHARDS).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ArchiveError(f"its {SHARDS} has no weight_map")
    shards = {name: _shard(folder, name) for name in sorted(set(names.values()))}
    lost = [name for name, shard in names.items() if name not in shards[shard]]
    if lost:
        raise ArchiveError(f"{lost[0]} is not in {names[lost[0]]}, where {SHARDS} says it is")
    return {name: shards[shard][name] for name, shard in names.items()}


def _shard(folder: Path, name: str) -> dict[str, StoredTensor]:
    if name != Path(name).name or not name.endswith(".safetensors"):
        raise ArchiveError(f"its {SHARDS} names {name!r}, which is not a file in its folder: refused")
    return read_safetensors(folder / name)
