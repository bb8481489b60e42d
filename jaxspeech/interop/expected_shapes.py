"""Builds the model of a translated configuration, and the shapes that the weights of its file must have."""

from typing import Any

import jax

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import variable_shapes


def build_with_shapes(model: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns the Flax module, and the shape of each of its variables by path ("params/encoder/...").

    Raises:
      ArchiveError: no model can be built from the configuration.
    """
    try:
        task = build(model)
        tree = variable_shapes(model, task)
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, SpeechError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ArchiveError(f"its configuration contradicts itself, no model can be built from it ({reason})") from error
    return task.model, {
        "/".join(key.key for key in keys): leaf for keys, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
