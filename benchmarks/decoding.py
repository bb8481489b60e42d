"""Measures transducer searches over encoder frames: 8 x 190 frames, V 1024, width 640, about 400 tokens.

With a beam, a language model or phrases the cases have NeMo's names and token rates: 0.3 a frame, 0.25 of a TDT.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.random_ngrams import random_ngram, random_phrases
from benchmarks.timing import measure
from jaxspeech.decoders.transducer import TransducerDecoder
from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import greedy_start, transducer_greedy
from jaxspeech.search.transducer_beam import transducer_beam

MODELS: dict[str, Any] = {"": lambda _: None, "lm": random_ngram, "boost": random_phrases}
MODELS["boost20000"] = partial(random_phrases, count=20_000)


def decode(
    repeat: int,
    *,
    durations: tuple[int, ...] = (),
    beam_size: int = 1,
    models: str = "",
    weight: float = 0.3,
    batch_size: int = 8,
    num_frames: int = 190,
    vocab_size: int = 1024,
    encoder_width: int = 512,
    num_tokens: int = 400,
) -> dict[str, Any]:
    """Search from random encoder frames to tokens on the host, at the token rate of speech.

    Greedily, or with a beam; with the n-grams ("lm") or phrases ("boost") of `random_ngrams`.

    Random weights would emit in every frame or in none. So the output layer is scaled by six, and the blank's bias is
    chosen so that about `num_tokens` tokens are emitted by the greedy search without models.
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

    @partial(jax.jit, static_argnames="beam_size")
    def search(params: Any, encoded: Any, model: Any = None, *, beam_size: int = 1) -> Tokens:
        apply: Any = partial(decoder.apply, {"params": params})
        predict, joint = partial(apply, method="predict"), partial(apply, method="logits")
        fusion = None
        if model is not None:
            fusion = model.fusion(jnp.float32(weight), jnp.broadcast_to(model.starts[1], (batch_size,)))
        state = greedy_start(predict, decoder.initial_state(batch_size), start_id=vocab_size, fusion=fusion)
        inputs = predict, joint, apply(encoded, method="project"), lengths, state
        options: Any = {"blank_id": decoder.blank_id, "durations": durations, "fusion": fusion}
        if beam_size > 1:
            return transducer_beam(*inputs, **options, beam_size=beam_size)[0]
        return transducer_greedy(*inputs, **options)[0]

    low, high = 0.0, 30.0
    for _ in range(12):
        middle = (low + high) / 2
        many = int(search(with_blank_bias(middle), encoded).num_tokens.sum()) > num_tokens
        low, high = (middle, high) if many else (low, middle)

    params, model = with_blank_bias(high), MODELS[models](vocab_size)
    run = partial(search, params, encoded, model, beam_size=beam_size)
    times = measure(lambda: jax.device_get(run()), repeat or 15)
    sizes = {"batch": batch_size, "T": num_frames, "vocab": vocab_size, "pred_hidden": decoder.width, "beam": beam_size}
    return {**sizes, "tokens_total": int(run().num_tokens.sum()), **times}


TDT = (0, 1, 2, 3, 4)
RNNT_RATE, TDT_RATE = {"num_tokens": 456}, {"num_tokens": 380, "durations": TDT}
GREEDY: dict[str, Any] = {"dec_rnnt": decode, "dec_tdt": partial(decode, durations=TDT)}
CASES = {
    **GREEDY,
    "rnnt_greedy": partial(decode, **RNNT_RATE),
    "rnnt_greedy_lm": partial(decode, models="lm", **RNNT_RATE),
    "rnnt_greedy_boost": partial(decode, models="boost", weight=1.0, **RNNT_RATE),
    "rnnt_greedy_boost20000": partial(decode, models="boost20000", weight=1.0, **RNNT_RATE),
    "rnnt_malsd": partial(decode, beam_size=4, **RNNT_RATE),
    "rnnt_malsd_lm": partial(decode, beam_size=4, models="lm", **RNNT_RATE),
    "tdt_malsd": partial(decode, beam_size=4, **TDT_RATE),
    "tdt_malsd_lm": partial(decode, beam_size=4, models="lm", **TDT_RATE),
}
GPU_CASES = {f"{name}_gpu": partial(case, batch_size=128, num_tokens=6400) for name, case in GREEDY.items()}
