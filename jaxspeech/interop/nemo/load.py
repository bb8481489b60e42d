"""Loads a .nemo file as a model of ours, without torch: container, configuration, assets, weights."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import unstacked
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.container import ALIGNER_CONFIG, ALIGNER_WEIGHTS, WEIGHTS, NemoFile
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
      The model, with the aligner that NeMo would restore with it; its metadata holds what `save_nemo` needs to write
      the file as it was.
    Raises:
      ArchiveError: the file is missing, damaged or hostile, or the model is not supported; lists all reasons.
    """
    path = Path(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: no such file")
    try:
        with NemoFile(path) as file:
            options: dict[str, Any] = {"dtype": dtype, "stacked": stacked, "place": place}
            config = file.config()
            archive = _read(file, config, WEIGHTS, **options)
            if has_aligner(file, config):
                archive = archive._replace(aligner=_read_aligner(file, **options))
            return archive
    except SpeechError as error:
        raise ArchiveError(f"{path}: {error}") from error


def has_aligner(file: NemoFile, config: dict[str, Any]) -> bool:
    """Whether there is a second model in a file, which NeMo restores with the first one."""
    members = {ALIGNER_CONFIG, ALIGNER_WEIGHTS} <= {*file.names}
    return members and bool(config.get("restore_timestamps_model", True))


def _read_aligner(file: NemoFile, **options: Any) -> Archive:
    try:
        archive = _read(file, file.config(ALIGNER_CONFIG), ALIGNER_WEIGHTS, **options)
    except SpeechError as error:
        raise ArchiveError(f"{ALIGNER_CONFIG}: {error}") from error
    if getattr(build(archive.model).inference, "log_probs", None) is None:
        raise ArchiveError(f"{ALIGNER_CONFIG}: this model has no CTC head, and so cannot align a text")
    return archive


def _read(
    file: NemoFile,
    config: dict[str, Any],
    weights: str,
    *,
    dtype: Any,
    stacked: bool,
    place: Callable[[np.ndarray], Any],
) -> Archive:
    """Reads the model of a configuration and of the member that holds its weights."""
    family, model = from_nemo(config)
    if not stacked:
        model = unstacked(model)
    tensors = family.renamed(model, read_checkpoint(file.open(weights)))
    model = family.with_stored(model, tensors)
    assets = family.assets(file, config, model)
    model = family.completed(model, assets)
    module, expected = build_with_shapes(model)
    derived = family.derived(module)
    check(tensors, derived)
    rows = family.rows(model)
    variables = to_variables(tensors, rows, expected, unused=derived, dtype=dtype, place=place)
    # As JSON will return it: dates and similar values become strings.
    nemo_config = json.loads(json.dumps(config, default=str))
    metadata = {"source": "nemo", "nemo_config": nemo_config, "nemo_derived": keep(tensors, derived)}
    return Archive(model, assets, variables, metadata)
