"""Self-conditioned CTC (Nozaki and Komatsu, 2021): layers see what a CTC head finds in the layers before them.

x_{l+1} = layer_{l+1}(x_l + W softmax(head(x_l)) + b)

for each layer l that has an intermediate loss; W, b and the head are the same for all of them (equations 9 to 11 of
arXiv 2104.02724). The losses are of x_l, before the sum.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError


def check_conditioned(encoder: Any, layers: tuple[int, ...]) -> None:
    """Raises ConfigError where the encoder's layers cannot be conditioned on the tokens after `layers`."""
    if not isinstance(encoder, FastConformer):
        raise ConfigError("interctc.conditioned: for the encoders fastconformer and conformer alone")
    if encoder.output_width is not None:
        raise ConfigError("interctc.conditioned: not with encoder.output_width, which projects the frames of the head")
    if (last := encoder.depth - 1) in layers:
        raise ConfigError(f"interctc.conditioned: no layer follows layer {last}; leave it out of interctc.layers")


def token_conditions(model: Any, layers: tuple[int, ...]) -> Mapping[int, Callable[[Array], Array]]:
    """Returns what follows each of these layers, as a function of frames that a scan over layers can call.

    A method of the model calls this; its method `add_tokens` is the sum in the equation.
    """
    alone, variables = model.clone(parent=None, name=None), model.variables
    return dict.fromkeys(layers, lambda x: alone.apply(variables, x, method="add_tokens"))
