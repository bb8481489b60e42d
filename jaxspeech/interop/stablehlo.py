"""Exports a recogniser, weights included, as one StableHLO file (`jax.export`) that only JAX can run.

samples [B S], num_samples [B] -> {"ids": [B N], "num_tokens": [B], ...}

A model with prompts also takes prompt [B P] and num_prompt [B], the ids of what is asked for in each row.
"""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.errors import InconclusiveDimensionOperation

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.files import replace_atomically
from jaxspeech.tasks.asked import Asked
from jaxspeech.tasks.recognition import RecognitionTask
from jaxspeech.types import Variables

MISSING = 'StableHLO files need the package flatbuffers: python -m pip install "jaxspeech[stablehlo]"'
PLATFORMS = ("cpu", "cuda", "tpu")
# The file is a flat buffer, which is limited to 2 GiB.
LARGEST_BYTES = 2**31 - 2**24


def export_stablehlo(
    task: RecognitionTask, variables: Variables, path: str | os.PathLike[str], *, platforms: Sequence[str] = PLATFORMS
) -> None:
    """Writes the task's prediction, for any batch size and length.

    The file's function takes samples [B S] float32 at the task's sample rate and num_samples [B] int32, and returns a
    dict of the fields of `Tokens`, with log_probs [B T V+1] and num_frames [B] if the task has them. If it
    reads prompts, it also takes their ids [B P] int32 and the number of these [B] int32.

    Raises:
      ArchiveError: the weights do not fit into a file, or it cannot be written.
      ConfigError: the extra is not installed, or the model depends on the concrete length of its input.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise ConfigError(MISSING)
    path = Path(path)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    if size > LARGEST_BYTES:
        raise ArchiveError(
            f"{path}: the weights take {size / 2**30:.1f} GiB of at most 2; load the model with a smaller dtype"
        )
    variables = jax.tree.map(np.asarray, variables)

    recognition = task.inference

    def predict(samples: Any, num_samples: Any, *prompts: Any) -> dict[str, Any]:
        asked = (Asked(*prompts),) if recognition.prompted else ()
        encoded, num_frames = recognition.encode(variables, samples, num_samples)
        outputs = dict(recognition.decode(variables, encoded, num_frames, *asked)._asdict())
        if recognition.log_probs is not None:
            beside = () if recognition.attends else asked
            outputs |= {"log_probs": recognition.log_probs(variables, encoded, *beside), "num_frames": num_frames}
        return outputs

    batch, length, most = export.symbolic_shape("batch, samples, prompt")
    lengths = jax.ShapeDtypeStruct((batch,), jnp.int32)
    inputs = jax.ShapeDtypeStruct((batch, length), jnp.float32), lengths
    if recognition.prompted:
        inputs = *inputs, jax.ShapeDtypeStruct((batch, most), jnp.int32), lengths
    try:
        content = export.export(jax.jit(predict), platforms=platforms)(*inputs).serialize()
    except InconclusiveDimensionOperation as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{path}: this model cannot be exported: it needs concrete lengths ({reason})") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be written ({error.strerror or error})") from error
