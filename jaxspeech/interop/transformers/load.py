"""Loads a folder that Hugging Face Transformers saved as a model of ours: configuration, tokenizer, weights."""

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
from jaxspeech.interop.transformers.causal_config import FAMILIES
from jaxspeech.interop.transformers.causal_lm import read_causal_lm
from jaxspeech.interop.transformers.config import check_model_type, translate_model
from jaxspeech.interop.transformers.folder import CONFIG, TOKENIZER, read_json, stored_tensors
from jaxspeech.interop.transformers.names import transformers_rows, with_present_names
from jaxspeech.interop.transformers.tokenizer import count_tokens, read_tokenizer

# The feature extractor's fields are in a file of their own, or (later versions) in a part of the second file.
EXTRACTOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
EMBEDDING = "decoder.embedding.weight"


def load_transformers(
    path: str | os.PathLike[str],
    *,
    dtype: Any = None,
    stacked: bool = True,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Archive:
    """Reads a model in the layout of Transformers. No code in it runs, and nothing is written.

    It is a Parakeet or a Canary, or a language model of the families in `causal_config`.

    Args:
      path: a folder with config.json, processor_config.json or preprocessor_config.json, tokenizer.json, and
        model.safetensors or its shards.
      dtype: of the floating-point parameters; None for float32, and in a language model for that of the file.
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
        config = read_json(folder / CONFIG)
        if check_model_type(config) in FAMILIES:
            return read_causal_lm(folder, config, dtype=dtype, stacked=stacked, place=place)
        model = translate_model(config, _extractor(folder))
        if not stacked:
            model = unstacked(model)
        content = read_json(folder / TOKENIZER)
        assets: dict[str, Any] = {}
        if model["task"] == "attention":
            outputs = model["decoder"]["vocab_size"]
            model["decoder"]["vocab_size"] = count_tokens(content, outputs, multiple=ALIGNMENT)
            assets["tokenizer"] = read_tokenizer(content, model["decoder"]["vocab_size"])
            assets["prompt"] = prompt_of(config, assets["tokenizer"])
        else:
            assets["tokenizer"] = read_tokenizer(content, model["decoder"]["vocab_size"])
        _, expected = build_with_shapes(model)
        tensors = with_both_tables(with_present_names(stored_tensors(folder)))
        if EMBEDDING in tensors and np.asarray(tensors[EMBEDDING])[-1:].any():
            raise ArchiveError("not supported: an embedding of the blank that is not zero")
        variables = to_variables(tensors, transformers_rows(model), expected, unused=UNUSED, dtype=dtype, place=place)
    except SpeechError as error:
        raise ArchiveError(f"{folder}: {error}") from error
    return Archive(model, assets, variables, {"source": "transformers", "transformers_config": config})


def _extractor(folder: Path) -> dict[str, Any]:
    if (folder / EXTRACTOR).is_file():
        return read_json(folder / EXTRACTOR)
    if not (folder / PROCESSOR).is_file():
        raise ArchiveError(f"has neither {EXTRACTOR} nor {PROCESSOR}")
    extractor = read_json(folder / PROCESSOR).get("feature_extractor")
    if not isinstance(extractor, dict):
        raise ArchiveError(f"its {PROCESSOR} has no feature_extractor")
    return extractor
