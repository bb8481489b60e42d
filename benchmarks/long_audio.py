"""Measures windowed attention over many frames, and hours of audio in one pass."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.models import SAMPLE_RATE, ctc_config
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.masks import attention_mask, context_mask, length_mask
from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.local_self_attention import LocalSelfAttention
from jaxspeech.nn.positions import relative_positions
from jaxspeech.tasks.recognition import Utterances

WIDTH, HEADS, WINDOW = 512, 8, 128


def attention(repeat: int, *, num_frames: int, local: bool) -> dict[str, Any]:
    """Run one layer of self-attention to 128 frames on each side, with projections; masked, or in blocks (`local`)."""
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, num_frames, WIDTH)), jnp.float32)
    lengths = jnp.array([num_frames])
    if local:
        module: Any = LocalSelfAttention(HEADS, (WINDOW, WINDOW))
        inputs = x, length_mask(lengths, num_frames), relative_positions(WINDOW, WINDOW, WIDTH)
    else:
        module = SelfAttention(HEADS)
        frames = jnp.arange(num_frames)
        mask = attention_mask(lengths, context_mask(frames, frames, WINDOW, WINDOW))
        inputs = x, mask, relative_positions(num_frames - 1, num_frames - 1, WIDTH)
    params = jax.jit(module.init)(jax.random.key(0), *inputs)
    program = jax.jit(module.apply).lower(params, *inputs).compile()
    times = measure(lambda: program(params, *inputs), repeat or 5)
    return {"frames": num_frames, **times, "temporaries_mib": program.memory_analysis().temp_size_in_bytes / 2**20}


def one_pass(repeat: int, *, minutes: int) -> dict[str, Any]:
    """Decode a recording with a 115M model with local attention: time, and memory as planned by XLA."""
    config = ctc_config("115m", attention="rel_pos_local", attention_context=(WINDOW, WINDOW))
    variables = jax.jit(build(config).init)(jax.random.key(0))
    config, variables = for_inference(config, variables)
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, minutes * 60 * SAMPLE_RATE)).astype(np.float32)
    none = np.zeros(1, np.int32)
    batch = Utterances(samples, np.array([samples.shape[1]], np.int32), none[:, None], none, none)
    program = jax.jit(build(config).predict).lower(variables, batch).compile()
    times = measure(lambda: program(variables, batch), repeat or 1, warmup=1)
    temporaries = program.memory_analysis().temp_size_in_bytes / 2**20
    return {"minutes": minutes, **times, "temporaries_mib": temporaries, "RTFx": minutes * 60 / times["median_s"]}


CASES = {
    "attention_local": partial(attention, num_frames=16384, local=True),
    "attention_masked": partial(attention, num_frames=4096, local=False),
    "one_pass_5min": partial(one_pass, minutes=5),
    "one_pass_15min": partial(one_pass, minutes=15),
    "one_pass_1h": partial(one_pass, minutes=60),
    "one_pass_2h": partial(one_pass, minutes=120),
}
GPU_CASES = {**CASES, "one_pass_11h": partial(one_pass, minutes=660)}
