"""The content of an archive: a model's configuration, assets and variables."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxspeech.assets import Assets
from jaxspeech.types import Variables

# The second model of an archive: its folder, its part of config.json, and its branch of the variables.
ALIGNER = "aligner"


class Archive(NamedTuple):
    """The content of a model file, whatever its format.

    Attributes:
      model: the configuration, as `build` expects it.
      assets: what the model needs besides its weights, by name; a recogniser has a "tokenizer".
      variables: nested dicts of NumPy arrays.
      metadata: any information from the writer, JSON-serialisable.
      aligner: a second model with a CTC head, which finds when the text of this one was said; most have none.
    """

    model: dict[str, Any]
    assets: Assets
    variables: Variables
    metadata: dict[str, Any]
    aligner: "Archive | None" = None

    def cast(self, dtype: Any) -> "Archive":
        """Casts floating-point parameters to `dtype` (None keeps them); running statistics keep their dtype."""
        if dtype is None:
            return self

        def cast(x: Any) -> Any:
            return x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

        params = jax.tree.map(cast, self.variables["params"])
        aligner = None if self.aligner is None else self.aligner.cast(dtype)
        return self._replace(variables=self.variables | {"params": params}, aligner=aligner)
