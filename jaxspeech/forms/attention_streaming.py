"""Recognises speech step by step with an attention decoder; each step encodes a window of the audio again.

the last L + C + R frames' samples -> frames of the window without the last R -> the decoder reads prompt and text so
far -> it writes more tokens, as long as the policy lets it (`search.attention_stream`)

The encoder sees R frames more than the decoder. Tokens that were written before the window begins are forgotten: text
and audio that the decoder reads belong together, and its positions never run out.

Wait-k does not say where a token was heard, so its window cannot slide: when L + C + R frames are full, the text of
what was heard is completed, and a new window begins.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.forms.sliding_window import slide
from jaxspeech.forms.streaming_form import NewTokens, Streaming, StreamState, rows_where
from jaxspeech.search.attention_stream import Rules, Written, write_tokens
from jaxspeech.search.loops import Runs, start_runs
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.attention_model import AttentionModel
from jaxspeech.tasks.attention_search import text_limits
from jaxspeech.types import Variables

# C, R and L, in seconds; the last for AlignAtt and for wait-k.
CHUNK_SECONDS, AHEAD_SECONDS = 1.0, 0.5
LEFT_SECONDS = {"alignatt": 10.0, "waitk": 28.5}
# The most tokens that a step writes, and those of a window that are kept, for each second of its audio.
STEP_TOKENS, KEPT_TOKENS = 10, 10
# Room for the tokens of a prompt.
PROMPT_TOKENS = 32
# The layer whose attention says where a token was heard, as in NeMo.
LAYER = -2


class Following(NamedTuple):
    """What the decoder knows of each stream.

    Attributes:
      prompt, num_prompt: its prompt.
      ids: the tokens whose audio is still in the window.
      heard: the frames that had been heard when each was written.
      count: how many they are.
      written: tokens of the text so far.
      runs: of the text, see `search.loops`.
      frame: that of the last token.
    """

    prompt: Int[Array, "B P"]
    num_prompt: Int[Array, " B"]
    ids: Int[Array, "B M"]
    heard: Int[Array, "B M"]
    count: Int[Array, " B"]
    written: Int[Array, " B"]
    runs: Runs
    frame: Int[Array, " B"]


def attention_streaming(
    model: AttentionModel,
    rules: Rules,
    *,
    look_ahead: int | None = None,
    chunk: int | None = None,
    left: int | None = None,
) -> Streaming:
    """Makes the streaming form of a recogniser with an attention decoder, with greedy search.

    Args:
      model: the model.
      rules: when a token is written.
      look_ahead, chunk, left: R, C and L, in encoder frames; see above for those that are used by default.

    Raises:
      ConfigError: no window can have these sizes.
    """
    decoder, rate, frame_seconds = model.decoder, model.frontend.sample_rate, model.frame_seconds
    chunk = int(CHUNK_SECONDS / frame_seconds) if chunk is None else chunk
    ahead = int(AHEAD_SECONDS / frame_seconds) if look_ahead is None else look_ahead
    left = int(LEFT_SECONDS[rules.policy] / frame_seconds) if left is None else left
    if chunk < 1 or ahead < 0 or left < 0:
        raise ConfigError(
            f"chunk {chunk}, look_ahead {ahead}, left {left}: a chunk has at least 1 frame, the others at least 0"
        )
    frames, frame = left + chunk + ahead, round(frame_seconds * rate)
    size, new = frames * frame, chunk * frame
    # The first window ends after C + R frames, which are a whole number of steps with these zeros.
    lead_in = -ahead % chunk * frame
    most_new = min(decoder.max_length, frames + 1 + max(model.search.more_than_frames, 0))
    in_step = math.ceil(STEP_TOKENS * (chunk + ahead) * frame_seconds)
    room_kept = max(min(math.ceil(KEPT_TOKENS * frames * frame_seconds), (decoder.max_length - PROMPT_TOKENS) // 2), 1)
    layer = max(LAYER, -decoder.num_layers)

    def prepare(variables: Variables) -> Variables:
        return KeptPositions(model, seconds=frames * frame_seconds).beside(variables)

    def start(variables: Variables, batch_size: int) -> StreamState:
        del variables
        zeros = jnp.zeros(batch_size, jnp.int32)
        history = {
            "samples": jnp.zeros((batch_size, size)),
            "num_samples": zeros,
            "num_frames": zeros,
            "begin": zeros,  # of the window, in samples: before it nothing is read
        }
        search = Following(
            prompt=jnp.zeros((batch_size, PROMPT_TOKENS), jnp.int32),
            num_prompt=zeros + 1,
            ids=jnp.zeros((batch_size, room_kept), jnp.int32),
            heard=jnp.zeros((batch_size, room_kept), jnp.int32),
            count=zeros,
            written=zeros,
            runs=start_runs((batch_size,)),
            frame=zeros,
        )
        return StreamState(history, search)

    def step(
        variables: Variables,
        state: StreamState,
        samples: Float[Any, "B S"],
        num_samples: Int[Any, " B"],
        ends: Bool[Any, " B"],
    ) -> tuple[NewTokens, StreamState]:
        past, known = state.history, state.search
        num_samples, ends = jnp.asarray(num_samples), jnp.asarray(ends)
        continues = (num_samples > 0) | ends
        taken = past["num_samples"] + num_samples
        heard = jnp.maximum(taken - lead_in, 0)
        window, length, latest = slide(past["samples"], jnp.asarray(samples), num_samples, heard - past["begin"])
        encode: Any = partial(model.apply, method="encode")
        encoded, num_encoded = encode(variables, window, length)

        first = (heard - length) // frame  # of the window's frames, counted from the start of the stream
        full = ends | (heard - past["begin"] + new > size) if rules.policy == "waitk" else ends
        visible = jnp.where(full, num_encoded, jnp.clip(length // frame - ahead, 0, num_encoded))
        total = first + visible
        known = _forget(known, first)
        writes = continues & (visible > 0) & (full | (total // chunk >= rules.wait))
        limits = jnp.where(full, text_limits(model, visible, known.num_prompt) - known.count, in_step)
        limits = jnp.minimum(limits, decoder.max_length - known.num_prompt - known.count)

        prefix = _prefix(known)
        num_prefix = known.num_prompt + known.count
        apply: Any = partial(model.decoder.apply, {"params": variables["params"]["decoder"]})
        room = prefix.shape[1] + most_new
        # The last token is read by the first step, which says where the next one is heard.
        _, memory, tokens_so_far = apply(encoded, visible, prefix, num_prefix - 1, method="start", room=room)
        last = jnp.take_along_axis(prefix, num_prefix[:, None] - 1, axis=1)[:, 0]

        def watched(ids: Array, so_far: Any) -> tuple[Array, Array, Any]:
            logits, so_far, weights = apply(ids[:, None], memory, so_far, method="watched_step", layers=(layer,))
            return logits[:, 0], weights[:, 0].mean(1), so_far

        written = write_tokens(
            watched,
            last,
            tokens_so_far,
            rules=rules,
            writes=writes,
            final=full,
            moved=first > 0,
            heard=visible,
            limits=limits,
            runs=known.runs,
            earlier=known.written,
            end_id=decoder.end_id,
            vocab_size=decoder.vocab_size,
            most_tokens=most_new,
            least_tokens=model.search.least_tokens,
        )
        # Attention may step back; the time of a token may not.
        starts = jnp.maximum(jax.lax.cummax(first[:, None] + written.frames, axis=1), known.frame[:, None])
        tokens = Tokens(written.ids, written.num_tokens, starts, starts + 1, written.probs, written.score)
        search = _remember(known, written, total, starts)
        ended = full & ~ends
        nothing = search._replace(count=jnp.zeros_like(search.count), runs=start_runs(ended.shape))
        search = jax.tree.map(partial(rows_where, ended), nothing, search)
        num_frames = jnp.where(continues, jnp.maximum(total - past["num_frames"], 0), 0)
        history = {
            "samples": latest,
            "num_samples": taken,
            "num_frames": past["num_frames"] + num_frames,
            "begin": jnp.where(ended, heard, past["begin"]),
        }
        kept = partial(rows_where, continues)
        new_state = StreamState(*jax.tree.map(kept, (history, search), tuple(state)))
        return NewTokens(tokens, jnp.zeros_like(num_frames), num_frames), new_state

    return Streaming(
        prepare=prepare,
        start=start,
        step=step,
        step_samples=new,
        lead_in=lead_in,
        right_samples=ahead * frame,
        sample_rate=rate,
        frame_seconds=frame_seconds,
        look_ahead=ahead,
        prompt_tokens=PROMPT_TOKENS,
        held_frames=rules.hold if rules.policy == "alignatt" else 0,
    )


def _forget(known: Following, first: Int[Array, " B"]) -> Following:
    """Drops the tokens that were written before the window began."""
    place = jnp.arange(known.ids.shape[1])
    gone = ((known.heard <= first[:, None]) & (place < known.count[:, None])).sum(1)
    return known._replace(ids=_shifted(known.ids, gone), heard=_shifted(known.heard, gone), count=known.count - gone)


def _remember(known: Following, written: Written, total: Int[Array, " B"], starts: Int[Array, "B N"]) -> Following:
    """Adds the tokens of a step; where there is no room for all, the oldest are dropped."""
    ids, num_tokens = written.ids, written.num_tokens
    size, count = known.ids.shape[1], known.count + num_tokens
    place = jnp.arange(size + ids.shape[1])
    old = place < known.count[:, None]
    of_new = jnp.clip(place - known.count[:, None], 0, ids.shape[1] - 1)

    def both(before: Array, after: Array) -> Array:
        before = jnp.pad(before, ((0, 0), (0, ids.shape[1])))
        return jnp.where(old, before, jnp.take_along_axis(after, of_new, axis=1))

    gone = jnp.maximum(count - size, 0)
    last = jnp.take_along_axis(starts, jnp.maximum(num_tokens - 1, 0)[:, None], axis=1)[:, 0]
    heard = both(known.heard, jnp.broadcast_to(total[:, None], ids.shape))
    return known._replace(
        ids=_shifted(both(known.ids, ids), gone)[:, :size],
        heard=_shifted(heard, gone)[:, :size],
        count=count - gone,
        written=known.written + num_tokens,
        runs=written.runs,
        frame=jnp.where(num_tokens > 0, last, known.frame),
    )


def _prefix(known: Following) -> Int[Array, "B N"]:
    """Prompt and kept tokens of each row, one after the other."""
    width = known.prompt.shape[1]
    place = jnp.arange(width + known.ids.shape[1])
    of_text = jnp.clip(place - known.num_prompt[:, None], 0, known.ids.shape[1] - 1)
    prompt = jnp.pad(known.prompt, ((0, 0), (0, known.ids.shape[1])))
    return jnp.where(place < known.num_prompt[:, None], prompt, jnp.take_along_axis(known.ids, of_text, axis=1))


def _shifted(values: Int[Array, "B N"], by: Int[Array, " B"]) -> Int[Array, "B N"]:
    """Moves each row to the left."""
    place = jnp.minimum(jnp.arange(values.shape[1]) + by[:, None], values.shape[1] - 1)
    return jnp.take_along_axis(values, place, axis=1)
