"""When each label of a given text was said: the best CTC path that spells the labels, by Viterbi's algorithm.

With u labels said so far, a path is in a blank behind the u-th label or in the u-th label itself:

    blank[t, u] = e[t, blank]   + max(blank[t-1, u], label[t-1, u])
    label[t, u] = e[t, label u] + max(label[t-1, u], blank[t-1, u-1], label[t-1, u-1] where label u differs from u-1)

e is the log-probability of a symbol less that of the frame's best one: the same for all paths, it changes nothing but
keeps the sums of a long recording small, and so precise.

**Memory.** Only the scores at the border of each block of frames are kept, O(T U / block). The way back visits
the blocks from the last to the first and computes each again, and only the `block` labels before the one in which the
path leaves it: in as many frames it cannot have said more. This is exact, and costs O(T x block) beside the O(T U)
of the way forward.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006); the wildcard is the star of Pratap et
al., "Scaling Speech Technology to 1,000+ Languages" (2023).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

# What a frame of a wildcard costs, in nats: more than the right symbol's, less than nearly every wrong one's.
WILDCARD_COST = 1.0


class ForcedAlignment(NamedTuple):
    """Where the best path says each label; only the first `num_labels[b]` of row b are real.

    Attributes:
      starts: first frame of each label.
      ends: the frame behind its last.
      confidence: its mean probability over its frames, 0 to 1.
      score: log-probability of the path; -inf where no path spells the labels, because they are more than the frames
        (equal neighbours need one between them), or impossible. All else in such a row is 0.
    """

    starts: Int[Any, "B U"]
    ends: Int[Any, "B U"]
    confidence: Float[Any, "B U"]
    score: Float[Any, " B"]


@partial(jax.jit, static_argnames=("blank_id", "block_frames"))
def forced_alignment(
    log_probs: Float[Any, "B T W"],
    num_frames: Int[Any, " B"],
    labels: Int[Any, "B U"],
    num_labels: Int[Any, " B"],
    *,
    blank_id: int,
    block_frames: int = 256,
) -> ForcedAlignment:
    """The best path through each utterance that spells its labels.

    Args:
      log_probs: log-probabilities of the symbols; what lies behind `num_frames` may hold anything.
      num_frames: real frames of each row.
      labels: what was said: symbols but the blank, or W for a wildcard, which stands for speech that no symbol spells
        and is as probable as the frame's best symbol, less `WILDCARD_COST`.
      num_labels: real labels of each row.
      blank_id: the blank's place among the W symbols.
      block_frames: of a block; has no influence on the result. A recording that is a multiple of it is not copied.
    """
    log_probs, labels = jnp.asarray(log_probs), jnp.asarray(labels)
    size = max(log_probs.shape[1], 1)
    block = min(block_frames, size)
    num_blocks = -(-size // block)
    whole = jnp.pad(log_probs, ((0, 0), (0, num_blocks * block - log_probs.shape[1]), (0, 0)))
    align = partial(_align, blank_id=blank_id, block=block)
    return jax.vmap(align)(whole, jnp.asarray(num_frames), labels, jnp.asarray(num_labels))


class _Scores(NamedTuple):
    """Of the best path to each state, after the same number of frames."""

    blank: Float[Array, " N"]
    label: Float[Array, " N"]


class _Text(NamedTuple):
    """The symbol of each label state, and whether it may follow the one before it without a blank; N = U + 1.

    No path reaches the label state 0: nothing has been said there.
    """

    symbols: Int[Array, " N"]
    differs: Bool[Array, " N"]


class _Place(NamedTuple):
    """A state: labels said so far, and whether the path is in the last of them or in a blank behind it."""

    said: Int[Array, ""]
    in_label: Bool[Array, ""]


def _align(
    log_probs: Float[Array, "T W"],
    num_frames: Int[Array, ""],
    labels: Int[Array, " U"],
    num_labels: Int[Array, ""],
    *,
    blank_id: int,
    block: int,
) -> ForcedAlignment:
    size, num_blocks = len(labels), len(log_probs) // block
    symbols = jnp.where(jnp.arange(size) < num_labels, labels, blank_id).astype(jnp.int32)
    symbols = jnp.concatenate([jnp.full(1, blank_id, jnp.int32), symbols])
    text = _Text(symbols, symbols != jnp.roll(symbols, 1))

    def frames_of(number: Int[Array, ""]) -> tuple[Float[Array, "K X"], Float[Array, "K X"], Bool[Array, " K"]]:
        """A block's K log-probabilities of X = W + 1 symbols, the same less each frame's best, and which are real."""
        real = number * block + jnp.arange(block) < num_frames
        frames = jax.lax.dynamic_slice_in_dim(log_probs, number * block, block).astype(jnp.float32)
        frames = jnp.where(real[:, None], frames, 0)
        best = frames.max(-1, keepdims=True)
        best = jnp.where(jnp.isfinite(best), best, 0)
        frames = jnp.concatenate([frames, best - WILDCARD_COST], -1)
        return frames, frames - best, real

    def forward(scores: _Scores, number: Int[Array, ""]) -> tuple[_Scores, _Scores]:
        """The scores behind a block, and those before it, which the way back needs."""
        top = jnp.maximum(scores.blank.max(), scores.label.max())
        before = _Scores(*(part - jnp.where(jnp.isfinite(top), top, 0) for part in scores))
        _, emissions, real = frames_of(number)

        def step(scores: _Scores, frame: Any) -> tuple[_Scores, None]:
            return _step(scores, text, *frame, blank_id=blank_id)[0], None

        return jax.lax.scan(step, before, (emissions, real))[0], before

    def backward(place: _Place, block_and_scores: Any) -> tuple[_Place, Any]:
        """Where the path enters the block that it leaves at `place`, and what it does in each of its frames."""
        number, before = block_and_scores
        frames, emissions, real = frames_of(number)
        width = min(block, size) + 1
        low = jnp.maximum(place.said - (width - 1), 0)
        before, near = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, low, width), (before, text))

        def step(scores: _Scores, frame: Any) -> tuple[_Scores, Any]:
            return _step(scores, near, *frame, blank_id=blank_id)

        def back(place: _Place, came_from: Any) -> tuple[_Place, _Place]:
            blank_from, label_from = came_from
            step = label_from[place.said - low]
            said = place.said - (place.in_label & (step > 0))
            in_label = jnp.where(place.in_label, step != 1, blank_from[place.said - low])
            return _Place(said, in_label), place

        _, choices = jax.lax.scan(step, before, (emissions, real))
        place, path = jax.lax.scan(back, place, choices, reverse=True)
        symbol = jnp.where(path.in_label, text.symbols[path.said], blank_id)
        log_prob = jnp.take_along_axis(frames, symbol[:, None], 1)[:, 0]
        return place, (path, jnp.where(real, log_prob, 0), real)

    nowhere = jnp.full(size + 1, -jnp.inf)
    last, checkpoints = jax.lax.scan(forward, _Scores(nowhere.at[0].set(0), nowhere), jnp.arange(num_blocks))
    ends = last.blank[num_labels], last.label[num_labels]
    place = _Place(num_labels.astype(jnp.int32), ends[1] > ends[0])
    _, per_block = jax.lax.scan(backward, place, (jnp.arange(num_blocks), checkpoints), reverse=True)
    path, log_prob, real = jax.tree.map(lambda x: x.reshape(-1), per_block)

    possible = jnp.maximum(*ends) > -jnp.inf
    # Each frame in a label adds to that label; all others fall off the end.
    label = jnp.where(path.in_label & real & possible, path.said - 1, size)
    time = jnp.arange(len(label), dtype=jnp.int32)
    behind = jnp.zeros(size, jnp.int32).at[label].max(time + 1, mode="drop")
    duration = jnp.zeros(size, jnp.int32).at[label].add(1, mode="drop")
    prob = jnp.zeros(size).at[label].add(jnp.minimum(jnp.exp(log_prob), 1), mode="drop")
    return ForcedAlignment(
        starts=behind - duration,
        ends=behind,
        confidence=prob / jnp.maximum(duration, 1),
        score=jnp.where(possible, log_prob.sum(), -jnp.inf),
    )


def _step(
    scores: _Scores, text: _Text, emissions: Float[Array, " W"], real: Bool[Array, ""], *, blank_id: int
) -> tuple[_Scores, tuple[Bool[Array, " N"], UInt8[Array, " N"]]]:
    """One frame: the new scores, and where each came from.

    A blank comes from its label (True) or from itself; a label from itself (0), the blank (1) or the label (2) before
    it. A frame that is not real changes nothing.
    """
    blank_before = jnp.concatenate([jnp.full(1, -jnp.inf), scores.blank[:-1]])
    label_before = jnp.concatenate([jnp.full(1, -jnp.inf), scores.label[:-1]])
    label_before = jnp.where(text.differs, label_before, -jnp.inf)
    either_before = jnp.maximum(blank_before, label_before)
    blank = emissions[blank_id] + jnp.maximum(scores.blank, scores.label)
    label = emissions[text.symbols] + jnp.maximum(scores.label, either_before)
    advance = jnp.where(label_before > blank_before, 2, 1)
    came_from = (
        real & (scores.label > scores.blank),
        jnp.where(real & (either_before > scores.label), advance, 0).astype(jnp.uint8),
    )
    return _Scores(jnp.where(real, blank, scores.blank), jnp.where(real, label, scores.label)), came_from
