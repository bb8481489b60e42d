"""Records every step of a greedy transducer search through one utterance, with the joint's logits.

The steps show which symbol the joint preferred at which frame, and by how much. The search itself,
`search.transducer`, takes the same steps without recording them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.search.frame_jumps import frame_jumps, tokens_per_frame
from jaxspeech.search.transducer import GreedyState, JointFunction, Predict


class Alignment(NamedTuple):
    """The joint's decisions in order; only the first `num_steps` are real.

    Attributes:
      frames: the frame of each decision.
      labels: the chosen symbol, blanks included.
      logits: all logits.
      num_steps: number of decisions.
    """

    frames: Int[Any, " N"]
    labels: Int[Any, " N"]
    logits: Float[Any, "N W"]
    num_steps: Int[Any, ""]


def transducer_alignment(
    predict: Predict,
    joint: JointFunction,
    encoded: Float[Any, "1 T J"],
    num_frames: Int[Any, " 1"],
    state: GreedyState,
    *,
    blank_id: int,
    durations: tuple[int, ...] = (),
    big_blank_durations: tuple[int, ...] = (),
    max_symbols: int | None = 10,
) -> Alignment:
    """Returns the steps of the greedy search through one utterance; N = T x (max_symbols + 1).

    Args:
      predict, joint, encoded, num_frames, state, blank_id, durations, big_blank_durations, max_symbols: as in
        `transducer_greedy`, for a batch of one.
    """
    per_frame = tokens_per_frame(max_symbols, durations)
    frames, num_frames = jnp.asarray(encoded)[0], jnp.asarray(num_frames)[0]

    def step(loop: _Loop) -> _Loop:
        logits = joint(frames[loop.time][None], loop.predicted)[0].astype(jnp.float32)
        is_blank, blank_jump, token_jump = frame_jumps(
            logits, blank_id=blank_id, durations=durations, big_blank_durations=big_blank_durations
        )
        label = logits[: blank_id + 1].argmax().astype(jnp.int32)
        steps, n = loop.steps, loop.steps.num_steps
        steps = Alignment(
            frames=steps.frames.at[n].set(loop.time),
            labels=steps.labels.at[n].set(label),
            logits=steps.logits.at[n].set(logits),
            num_steps=n + 1,
        )
        predicted, prediction = jax.lax.cond(
            is_blank, lambda: (loop.predicted, loop.prediction), lambda: predict(label[None], loop.prediction)
        )
        in_frame = loop.in_frame + 1
        forced = jnp.where((token_jump == 0) & (in_frame >= per_frame), 1, token_jump)
        jump = jnp.where(is_blank, blank_jump, forced)
        return _Loop(predicted, prediction, loop.time + jump, jnp.where(jump > 0, 0, in_frame), steps)

    size = len(frames) * (per_frame + 1)
    zero, places = jnp.int32(0), jnp.zeros(size, jnp.int32)
    logits = jnp.zeros((size, blank_id + 1 + len(durations)), jnp.float32)
    steps = Alignment(frames=places, labels=places, logits=logits, num_steps=zero)
    loop = _Loop(state.predicted, state.prediction, state.skip[0], zero, steps)
    return jax.lax.while_loop(lambda loop: loop.time < num_frames, step, loop).steps


class _Loop(NamedTuple):
    predicted: Float[Any, "1 J"]
    prediction: Any
    time: Int[Any, ""]
    in_frame: Int[Any, ""]
    steps: Alignment
