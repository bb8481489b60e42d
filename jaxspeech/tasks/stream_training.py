"""Trains and evaluates streaming Sortformer on whole recordings that are taken step by step, as it runs.

Gradients flow through the speaker cache and the queue. A compression of the cache puts the speakers that it knows into
a random order, so that none can be recognised by his place in it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.tasks.speaker_steps import Parts, Steps, StepState, activity_in_steps, first_state, step
from jaxspeech.tasks.train_apply import train_apply
from jaxspeech.types import Key, Variables

# Probabilities are kept this far from 1, the least that float32 can tell from it.
NEAREST = 2.0**-24


def logits_in_steps(
    model: Any, variables: Variables, key: Key, samples: Float[Any, "B N"], num_samples: Int[Any, " B"]
) -> tuple[tuple[Float[Array, "B T S"], Int[Array, " B"]], Variables]:
    """Computes the scores of each frame and the number of frames; and the new running statistics, as `train_apply`.

    Args:
      model: a SortformerModel with the sizes of its stream. Padding never counts in its batch norms: the cache of a
        first step is empty.
      variables: of the model.
      key: for dropout, dither, masks, and the order of the speakers in the cache.
      samples, num_samples: of whole recordings.
    """
    model = model.clone(encoder=model.encoder.clone(norm_over_padding=False))
    steps = _steps_of(model)
    key, features_key = jax.random.split(key)
    (features, num_features), stats = train_apply(
        model, variables, features_key, samples, num_samples, method="features"
    )
    settings, factor = steps.settings, steps.factor
    rows, size = features.shape[:2]
    count = max(-(-size // (settings.chunk * factor)), 1)
    features = jnp.pad(features, ((0, 0), (0, settings.seen * factor), (0, 0)))

    @jax.checkpoint
    def body(carry: tuple[StepState, Variables], i: Array) -> tuple[tuple[StepState, Variables], Any]:
        state, stats = carry
        model_key, cache_key = jax.random.split(jax.random.fold_in(key, i))
        held, after = {**stats, "params": variables["params"]}, [stats]

        def subsample(features: Any, num_features: Any) -> Any:
            return model.apply(held, features, num_features, method="subsample")

        def activity(frames: Any, num_frames: Any) -> Any:
            (logits, counts), updates = train_apply(
                model, held, model_key, frames, num_frames, method="logits_of_frames"
            )
            after[0] = {**stats, **updates}
            return model.probabilities(logits, counts)

        start = jnp.maximum(i * settings.chunk - settings.left, 0) * factor
        window = jax.lax.dynamic_slice_in_dim(features, start, settings.seen * factor, axis=1)
        parts = Parts(subsample, activity)
        found, state = step(steps, parts, state, window, jnp.maximum(num_features - start, 0), key=cache_key)
        return (state, after[0]), found

    (_, stats), found = jax.lax.scan(body, (first_state(steps, rows), stats), jnp.arange(count))
    probabilities = jnp.moveaxis(found.probabilities, 0, 1).reshape(rows, count * settings.chunk, steps.speakers)
    p = jnp.clip(probabilities[:, : -(-size // factor)], jnp.finfo(jnp.float32).tiny, 1 - NEAREST)
    return (jnp.log(p) - jnp.log1p(-p), found.num_frames.sum(0)), stats


def activity_of_stream(
    model: Any, variables: Variables, samples: Float[Any, "B N"], num_samples: Int[Any, " B"]
) -> tuple[Float[Array, "B T S"], Int[Array, " B"]]:
    """Computes the probability that each speaker is active in each frame, as a stream finds it.

    Args:
      model, variables: a SortformerModel with the sizes of its stream.
      samples, num_samples: of whole recordings.
    """

    def bound(method: str) -> Any:
        return lambda *inputs: model.apply(variables, *inputs, method=method)

    features, num_features = bound("features")(samples, num_samples)
    parts = Parts(bound("subsample"), bound("activity_of_frames"))
    return activity_in_steps(_steps_of(model), parts, features, num_features)


def _steps_of(model: Any) -> Steps:
    encoder = model.encoder
    return Steps(model.streaming, model.decoder.num_speakers, encoder.width, encoder.subsampling_factor)
