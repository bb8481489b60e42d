"""Greedy CTC search with other models: at a new token, the best sum of all scores instead of the acoustic one.

In the frame t, whose best symbol is a_t, after the label l of the frame before,

label_t = a_t                                          if a_t is blank, or l
          argmax over v != blank, l of log p_t(v) + f(v | text)    otherwise

so the models f decide which token is said, but hardly where one is. Only frames with a best symbol that is no blank can
change anything, and only these are visited.

Source: NeMo's `greedy_batch` (Bataev et al., "NGPU-LM", 2025).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.ctc import CTCPath, CTCState, tokens_on
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.shortlist import best_tokens
from jaxspeech.search.tokens import Tokens


class _Walk(NamedTuple):
    """The loop over the visited frames. `label` and `frame` are those of the last one."""

    count: Int[Array, ""]
    label: Int[Array, " B"]
    frame: Int[Array, " B"]
    models: Any
    labels: Int[Array, "B T"]
    added: Float[Array, "B T"]


def ctc_greedy_fused(
    log_probs: Float[Any, "B T W"], num_frames: Int[Any, " B"], state: CTCState, fusion: Fusion
) -> tuple[Tokens, Int[Any, " B"], CTCState, Any]:
    """Continues `ctc_greedy` with other models, as `ctc_greedy_part` does without. Call it under `jax.jit`.

    Args:
      log_probs: log-probabilities of the V tokens and the blank, which is last; padding may hold anything.
      num_frames: real frames of each row.
      state: from `ctc_start`, or after the previous part.
      fusion: the other models; its state is that after the previous part.

    Returns:
      What `ctc_greedy_part` returns, and the state of the models. `score` includes what they add, `confidence` does
      not. The end of a text is not scored, as nothing depends on it.
    """
    log_probs, num_frames = jnp.asarray(log_probs).astype(jnp.float32), jnp.asarray(num_frames)
    (b, t, width), rows = log_probs.shape, jnp.arange(log_probs.shape[0])
    blank_id = width - 1
    best = log_probs.argmax(-1).astype(jnp.int32)
    visited = (jnp.arange(t) < num_frames[:, None]) & (best != blank_id)
    place = jnp.where(visited, jnp.cumsum(visited, axis=1) - 1, t)  # out of range: dropped
    frames = jnp.zeros((b, t), jnp.int32).at[rows[:, None], place].set(jnp.arange(t, dtype=jnp.int32), mode="drop")
    num_visited = visited.sum(axis=1)

    def step(walk: _Walk) -> _Walk:
        frame, on = frames[:, walk.count], walk.count < num_visited
        acoustic, scores = best[rows, frame], log_probs[rows, frame]
        before = jnp.where(frame == walk.frame + 1, walk.label, blank_id)
        new = on & (acoustic != before)
        scores = jnp.where(jnp.arange(blank_id) == before[:, None], -jnp.inf, scores[:, :-1])
        found = best_tokens(fusion, walk.models, scores, count=1, needed=new)
        token, total = found.tokens[:, 0], found.scores[:, 0]
        label, added = jnp.where(new, token, acoustic), total - scores[rows, token]
        put = jnp.where(on, frame, t)
        return _Walk(
            count=walk.count + 1,
            label=jnp.where(on, label, walk.label),
            frame=jnp.where(on, frame, walk.frame),
            models=_rows_where(new, fusion.extend(walk.models, token), walk.models),
            labels=walk.labels.at[rows, put].set(label, mode="drop"),
            added=walk.added.at[rows, put].set(jnp.where(new, added, 0), mode="drop"),
        )

    walk = _Walk(jnp.int32(0), state.symbol, jnp.full(b, -1, jnp.int32), fusion.state, best, jnp.zeros((b, t)))
    walk = jax.lax.while_loop(lambda walk: walk.count < num_visited.max(initial=0), step, walk)
    log_prob = jnp.take_along_axis(log_probs, walk.labels[..., None], axis=-1)[..., 0]
    path = CTCPath(walk.labels, log_prob, walk.added)
    return *tokens_on(path, num_frames, state, blank_id=blank_id), walk.models


def _rows_where(condition: Bool[Array, " B"], new: Any, old: Any) -> Any:
    def choose(new: Array, old: Array) -> Array:
        return jnp.where(condition.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, new, old)
