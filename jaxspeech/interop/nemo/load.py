"""A .nemo file to a model of ours, without torch: container, configuration, tokenizer, weights."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import for_inference
from jaxspeech.interop.nemo.config import translate_model
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.interop.nemo.weights import rows_of
from jaxspeech.interop.nemo.weights.derived import check_frontend, keep
from jaxspeech.interop.nemo.weights.read import to_variables


def load_nemo(
    path: str | os.PathLike[str],
    *,
    dtype: Any = None,
    stacked: bool = True,
    place: Callable[[np.ndarray], Any] = lambda array: array,
) -> Archive:
    """Reads a NeMo model. No code in it runs, and nothing is written.

    Args:
      path: a .nemo file.
      dtype: of the floating-point parameters; None for float32.
      stacked: equal layers on a leading axis, the form for training; or each for itself, that for inference (see
        `encoders.layer_stack`).
      place: what becomes of each array as soon as it is whole; with `jax.device_put`, no second copy of the model is
        ever in memory.
    Returns:
      The model; its metadata holds what `save_nemo` needs to write the file as it was.
    Raises:
      ArchiveError: missing, damaged or hostile; or a model that is not supported, with all that is in the way.
    """
    path = Path(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: no such file")
    try:
        with NemoFile(path) as file:
            config = file.config()
            model = translate_model(config)
            if not stacked:
                model, _ = for_inference(model, {})
            tokenizer = read_tokenizer(file, config, model["decoder"]["vocab_size"])
            expected = expected_shapes(model)
            tensors = read_checkpoint(file.open(WEIGHTS))
            if model["features"]["name"] == "mel":
                check_frontend(build(model).model.frontend, tensors)
            variables = to_variables(tensors, rows_of(model), expected, dtype=dtype, place=place)
            derived = keep(tensors)
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error
    # As JSON would give it back: dates and the like become text.
    nemo_config = json.loads(json.dumps(config, default=str))
    metadata = {"source": "nemo", "nemo_config": nemo_config, "nemo_derived": derived}
    return Archive(model, {"tokenizer": tokenizer}, variables, metadata)


def expected_shapes(model: dict[str, Any]) -> dict[str, Any]:
    """The shape of each variable of the model, by path ("params/encoder/...")."""
    try:
        tree = jax.eval_shape(build(model).init, jax.random.key(0))
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, SpeechError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ArchiveError(f"its configuration contradicts itself, no model can be built from it ({reason})") from error
    return {"/".join(key.key for key in keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(tree)}
