"""The language model inside a transducer: what its prediction network expects without hearing anything.

p(v | y_1 .. y_u) = softmax over the labels of logits(encoder frames of zeros, y_1 .. y_u)_v

In a HAT the projection of these frames, with its bias, is left out as well, as in NeMo's HATJoint.

A search that adds another language model counts this one's knowledge twice, unless it is subtracted: a fused model with
a negative weight. In a hybrid autoregressive transducer (HAT) the labels' softmax is trained as such a model (Variani
et al., 2020); in other transducers the same is an estimate (Meng et al., "Internal Language Model Estimation for
Domain-Adaptive End-to-End Speech Recognition", 2021).
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.neural import Functions, NeuralModel
from jaxspeech.types import Size, Variables


def internal_language_model(model: Any, variables: Variables, *, key: str) -> NeuralModel:
    """Returns the internal language model of a transducer, for a search.

    Args:
      model: the Flax module, with a `decoder` of the class `TransducerDecoder`.
      variables: of the model.
      key: describes the model, as in `search.neural.Functions`.

    Raises:
      ConfigError: the model has no transducer, or a softmax for each language.
    """
    decoder: Any = getattr(model, "decoder", None)
    if not hasattr(decoder, "prediction"):
        raise ConfigError("this model has no transducer, and so no internal language model")
    if decoder.languages:
        raise ConfigError("the internal language model: this model has a softmax for each language")

    def start(variables: Variables, rows: Size) -> Any:
        del variables
        return decoder.initial_state(rows)

    def step(variables: Variables, ids: Int[Any, " B"], state: Any) -> tuple[Float[Array, "B V"], Any]:
        apply = partial(decoder.apply, variables)
        predicted, state = apply(ids, state, method="predict")
        width = variables["params"]["joint"]["encoded"]["kernel"].shape[0]
        silence = apply(jnp.zeros((1, 1, width)), method="project")[0]
        if decoder.hat:
            silence = jnp.zeros_like(silence)
        logits = apply(silence, predicted, method="logits")
        return logits[..., : decoder.vocab_size], state

    functions = Functions(key, start, step)
    return NeuralModel({"params": variables["params"]["decoder"]}, functions, decoder.vocab_size, has_end=False)
