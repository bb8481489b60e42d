"""Measures transducer searches over encoder frames: 8 x 190 frames, V 1024, width 640, about 400 tokens."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.timing import measure
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import greedy_start, transducer_greedy


def decode(
    repeat: int,
    *,
    durations: tuple[int, ...] = (),
    batch_size: int = 8,
    num_frames: int = 190,
    vocab_size: int = 1024,
    encoder_width: int = 512,
    num_tokens: int = 400,
) -> dict[str, Any]:
    """Search greedily from random encoder frames to tokens on the host, at the token rate of speech.

    Random weights would emit in every frame or in none. So the output layer is scaled by six, and the blank's bias is
    chosen so that about `num_tokens` tokens are emitted.
    """
    decoder = TransducerDecoder(vocab_size, durations=durations)
    encoded = jax.random.normal(jax.random.key(0), (batch_size, num_frames, encoder_width))
    lengths = jnp.full(batch_size, num_frames, jnp.int32)
    labels = jnp.zeros((batch_size, 1), jnp.int32)
    params = jax.jit(decoder.init)(jax.random.key(1), encoded[:, :1], labels)["params"]
    out = params["joint"]["out"]
    kernel, bias = 6 * out["kernel"], jnp.zeros_like(out["bias"])

    def with_blank_bias(value: float) -> Any:
        out = {"kernel": kernel, "bias": bias.at[decoder.blank_id].set(value)}
        return params | {"joint": params["joint"] | {"out": out}}

    @jax.jit
    def search(params: Any, encoded: Any) -> Tokens:
        apply: Any = partial(decoder.apply, {"params": params})
        predict, joint = partial(apply, method="predict"), partial(apply, method="logits")
        state = greedy_start(predict, decoder.initial_state(batch_size), start_id=vocab_size)
        projected = apply(encoded, method="project")
        options = {"blank_id": decoder.blank_id, "durations": durations}
        return transducer_greedy(predict, joint, projected, lengths, state, **options)[0]

    low, high = 0.0, 30.0
    for _ in range(12):
        middle = (low + high) / 2
        many = int(search(with_blank_bias(middle), encoded).num_tokens.sum()) > num_tokens
        low, high = (middle, high) if many else (low, middle)

    params = with_blank_bias(high)
    times = measure(lambda: jax.device_get(search(params, encoded)), repeat or 15)
    sizes = {"batch": batch_size, "T": num_frames, "vocab": vocab_size, "pred_hidden": decoder.width}
    return {**sizes, "tokens_total": int(search(params, encoded).num_tokens.sum()), **times}


CASES = {"dec_rnnt": decode, "dec_tdt": partial(decode, durations=(0, 1, 2, 3, 4))}
GPU_CASES = {f"{name}_gpu": partial(case, batch_size=128, num_tokens=6400) for name, case in CASES.items()}
