"""The arrays that most kinds of models take or return: padded samples, numbers of samples or frames, encoder frames."""

from typing import Any

from jaxtyping import Array, Float, Int

Samples = Float[Any, "B S"]
Lengths = Int[Any, " B"]
Frames = Float[Array, "B T D"]
