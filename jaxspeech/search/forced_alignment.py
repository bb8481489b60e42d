"""Aligns a given text with audio: finds the best CTC path that spells its labels, with the Viterbi algorithm.

With u labels emitted so far, a path is in the blank after the u-th label or in the u-th label itself:

    blank[t, u] = e[t, blank]   + max(blank[t-1, u], label[t-1, u])
    label[t, u] = e[t, label u] + max(label[t-1, u], blank[t-1, u-1], label[t-1, u-1] where label u differs from u-1)

e is the log-probability of a symbol minus that of the frame's best symbol. This offset is the same for all paths, so it
does not change the best one, but keeps the sums over a long recording small and therefore precise.

**Memory.** Only the scores at the start of each block of frames are stored, O(T U / block). The backward pass visits
the blocks from the last to the first and recomputes each of them, restricted to the `block` labels before the one in
which the path leaves the block: `block` frames cannot emit more. This is exact, and adds O(T x block) time to the
O(T U) of the forward pass.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006); the wildcard is the star of Pratap et
al., "Scaling Speech Technology to 1,000+ Languages" (2023).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from jaxspeech.loops import scan

# Cost of a wildcard frame in nats: above that of the right symbol, below that of nearly every wrong one.
WILDCARD_COST = 1.0


class ForcedAlignment(NamedTuple):
    """The frames of each label on the best path; only the first `num_labels[b]` entries of row b are real.

    Attributes:
      starts: first frame of each label.
      ends: frame after each label's last one (exclusive).
      confidence: mean probability of each label over its frames, 0 to 1.
      score: log-probability of the path; -inf if no path spells the labels, because there are more of them than frames
        (equal neighbours need one frame between them), or because one has probability 0. The rest of that row is 0.
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
    """Finds the best path through each utterance that spells its labels.

    Args:
      log_probs: log-probabilities of the W symbols; padding may hold anything.
      num_frames: real frames of each row.
      labels: the text: symbols other than the blank, or W for a wildcard. A wildcard stands for speech that no symbol
        spells; its log-probability is that of the frame's best symbol minus `WILDCARD_COST`.
      num_labels: real labels of each row.
      blank_id: index of the blank among the W symbols.
      block_frames: frames per block; does not affect the result. If it divides T, `log_probs` is not copied.
    """
    log_probs, labels = jnp.asarray(log_probs), jnp.asarray(labels)
    size = max(log_probs.shape[1], 1)
    block = min(block_frames, size)
    num_blocks = -(-size // block)
    whole = jnp.pad(log_probs, ((0, 0), (0, num_blocks * block - log_probs.shape[1]), (0, 0)))
    align = partial(_align, blank_id=blank_id, block=block)
    return jax.vmap(align)(whole, jnp.asarray(num_frames), labels, jnp.asarray(num_labels))


class _Scores(NamedTuple):
    """Scores of the best path to each state, after the same number of frames."""

    blank: Float[Array, " N"]
    label: Float[Array, " N"]


class _Text(NamedTuple):
    """The symbol of each label state, and whether it may follow the previous one without a blank; N = U + 1.

    No path reaches label state 0, which is before the first label.
    """

    symbols: Int[Array, " N"]
    differs: Bool[Array, " N"]


class _Place(NamedTuple):
    """A state: the labels emitted so far, and whether the path is in the last of them or in the blank after it."""

    emitted: Int[Array, ""]
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
        """Returns a block's K log-probabilities of X = W + 1 symbols, these minus the best per frame, and a mask."""
        real = number * block + jnp.arange(block) < num_frames
        frames = jax.lax.dynamic_slice_in_dim(log_probs, number * block, block).astype(jnp.float32)
        frames = jnp.where(real[:, None], frames, 0)
        best = frames.max(-1, keepdims=True)
        best = jnp.where(jnp.isfinite(best), best, 0)
        frames = jnp.concatenate([frames, best - WILDCARD_COST], -1)
        return frames, frames - best, real

    def forward(scores: _Scores, number: Int[Array, ""]) -> tuple[_Scores, _Scores]:
        """Returns the scores after a block and those before it, which the backward pass needs."""
        top = jnp.maximum(scores.blank.max(), scores.label.max())
        before = _Scores(*(part - jnp.where(jnp.isfinite(top), top, 0) for part in scores))
        _, emissions, real = frames_of(number)

        def step(scores: _Scores, frame: Any) -> tuple[_Scores, None]:
            return _step(scores, text, *frame, blank_id=blank_id)[0], None

        return scan(step, before, (emissions, real))[0], before

    def backward(place: _Place, block_and_scores: Any) -> tuple[_Place, Any]:
        """Traces the path, which leaves the block at `place`, to the block's start; returns its state in each frame."""
        number, before = block_and_scores
        frames, emissions, real = frames_of(number)
        width = min(block, size) + 1
        low = jnp.maximum(place.emitted - (width - 1), 0)
        before, near = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, low, width), (before, text))

        def step(scores: _Scores, frame: Any) -> tuple[_Scores, Any]:
            return _step(scores, near, *frame, blank_id=blank_id)

        def back(place: _Place, came_from: Any) -> tuple[_Place, _Place]:
            blank_from, label_from = came_from
            step = label_from[place.emitted - low]
            emitted = place.emitted - (place.in_label & (step > 0))
            in_label = jnp.where(place.in_label, step != 1, blank_from[place.emitted - low])
            return _Place(emitted, in_label), place

        _, choices = scan(step, before, (emissions, real))
        place, path = scan(back, place, choices, reverse=True)
        symbol = jnp.where(path.in_label, text.symbols[path.emitted], blank_id)
        log_prob = jnp.take_along_axis(frames, symbol[:, None], 1)[:, 0]
        return place, (path, jnp.where(real, log_prob, 0), real)

    nowhere = jnp.full(size + 1, -jnp.inf)
    last, checkpoints = jax.lax.scan(forward, _Scores(nowhere.at[0].set(0), nowhere), jnp.arange(num_blocks))
    ends = last.blank[num_labels], last.label[num_labels]
    place = _Place(num_labels.astype(jnp.int32), ends[1] > ends[0])
    _, per_block = jax.lax.scan(backward, place, (jnp.arange(num_blocks), checkpoints), reverse=True)
    path, log_prob, real = jax.tree.map(lambda x: x.reshape(-1), per_block)

    possible = jnp.maximum(*ends) > -jnp.inf
    # Each frame in a label is added to it; all other frames have an index out of range and are dropped.
    label = jnp.where(path.in_label & real & possible, path.emitted - 1, size)
    time = jnp.arange(len(label), dtype=jnp.int32)
    stops = jnp.zeros(size, jnp.int32).at[label].max(time + 1, mode="drop")
    duration = jnp.zeros(size, jnp.int32).at[label].add(1, mode="drop")
    prob = jnp.zeros(size).at[label].add(jnp.minimum(jnp.exp(log_prob), 1), mode="drop")
    return ForcedAlignment(
        starts=stops - duration,
        ends=stops,
        confidence=prob / jnp.maximum(duration, 1),
        score=jnp.where(possible, log_prob.sum(), -jnp.inf),
    )


def _step(
    scores: _Scores, text: _Text, emissions: Float[Array, " W"], real: Bool[Array, ""], *, blank_id: int
) -> tuple[_Scores, tuple[Bool[Array, " N"], UInt8[Array, " N"]]]:
    """Advances by one frame; returns the new scores, and the predecessor of each state.

    A blank is reached from its label (True) or from itself; a label from itself (0), from the blank before it (1) or
    from the label before it (2). A padding frame changes nothing.
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
