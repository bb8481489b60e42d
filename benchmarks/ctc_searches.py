"""Measures CTC searches, from log-probabilities to tokens on the host: 8 x 190 frames, V 1024, a beam of 8.

About half of the frames are blanks, as in NeMo's cases of the same names.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.random_ngrams import random_ngram, random_phrases
from benchmarks.timing import measure
from jaxspeech.search.ctc import ctc_greedy, ctc_start
from jaxspeech.search.ctc_beam import ctc_beam
from jaxspeech.search.ctc_fused import ctc_greedy_fused
from jaxspeech.search.tokens import Tokens


def search(
    repeat: int,
    *,
    models: str = "",
    weight: float = 0.5,
    beam_size: int = 1,
    length_bonus: float = 0.0,
    batch_size: int = 8,
    num_frames: int = 190,
    vocab_size: int = 1024,
) -> dict[str, Any]:
    """Search random log-probabilities, with the n-grams ("lm") or phrases ("boost") of `random_ngrams`."""
    draw, silence = jax.random.split(jax.random.key(0))
    logits = 3 * jax.random.normal(draw, (batch_size, num_frames, vocab_size + 1))
    silent = jax.random.uniform(silence, (batch_size, num_frames)) < 0.6
    log_probs = jax.nn.log_softmax(logits.at[..., vocab_size].add(12.0 * silent))
    lengths = jnp.full(batch_size, num_frames, jnp.int32)
    model = {"": lambda _: None, "lm": random_ngram, "boost": random_phrases}[models](vocab_size)

    @jax.jit
    def run(log_probs: Any, model: Any) -> Tokens:
        fusion = None
        if model is not None:
            starts = jnp.broadcast_to(jnp.asarray(model.starts)[1], (batch_size,))
            fusion = model.fusion(jnp.float32(weight), starts)
        if beam_size > 1:
            options = {"beam_size": beam_size, "fusion": fusion, "length_bonus": length_bonus}
            return ctc_beam(log_probs, lengths, blank_id=vocab_size, **options)[0]
        if fusion is None:
            return ctc_greedy(log_probs, lengths, blank_id=vocab_size)
        return ctc_greedy_fused(log_probs, lengths, ctc_start(batch_size, blank_id=vocab_size), fusion)[0]

    times = measure(lambda: jax.device_get(run(log_probs, model)), repeat or 15)
    tokens = int(run(log_probs, model).num_tokens.sum())
    return {
        "batch": batch_size,
        "T": num_frames,
        "vocab": vocab_size,
        "beam": beam_size,
        "tokens_total": tokens,
        **times,
    }


CASES = {
    "ctc_greedy": search,
    "ctc_greedy_lm": partial(search, models="lm"),
    "ctc_greedy_boost": partial(search, models="boost", weight=1.0),
    "ctc_beam": partial(search, beam_size=8),
    "ctc_beam_lm": partial(search, models="lm", beam_size=8, length_bonus=0.5),
}
GPU_CASES = {f"{name}_gpu": partial(case, batch_size=128) for name, case in CASES.items() if name != "ctc_greedy_boost"}
