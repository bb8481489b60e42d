"""Loads a .nemo file as a model of ours, without torch: container, configuration, assets, weights."""

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
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.weights.derived import check, keep
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
      stacked: True stacks equal layers on a leading axis, as for training; False keeps them separate, as for inference
        (see `encoders.layer_stack`).
      place: called with each array as soon as it is complete; what it returns is kept. With `jax.device_put`, there is
        never a second copy of the model in memory.
    Returns:
      The model; its metadata holds what `save_nemo` needs to write the file as it was.
    Raises:
      ArchiveError: the file is missing, damaged or hostile, or the model is not supported; lists all reasons.
    """
    path = Path(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: no such file")
    try:
        with NemoFile(path) as file:
            config = file.config()
            family, model = from_nemo(config)
            if not stacked:
                model = unstacked(model)
            tensors = read_checkpoint(file.open(WEIGHTS))
            model = family.with_stored(model, tensors)
            assets = family.assets(file, config, model)
            model = family.completed(model, assets)
            module, expected = build_with_shapes(model)
            derived = family.derived(module)
            check(tensors, derived)
            rows = family.rows(model)
            variables = to_variables(tensors, rows, expected, unused=derived, dtype=dtype, place=place)
            kept = keep(tensors, derived)
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error
    # As JSON will return it: dates and similar values become strings.
    nemo_config = json.loads(json.dumps(config, default=str))
    metadata = {"source": "nemo", "nemo_config": nemo_config, "nemo_derived": kept}
    return Archive(model, assets, variables, metadata)
