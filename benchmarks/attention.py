"""Measures models with an attention decoder of canary-180m-flash's size.

Searches have 8 x 15 s, and 60 tokens after 10 of prompt; a step of training 8 x 10 s, and 40 tokens after the prompt.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.models import SAMPLE_RATE, attention_config, noise_batch, num_parameters
from benchmarks.random_ngrams import random_ngram
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.search.fusion import FUSION, Fused
from jaxspeech.tasks.attention import Prompted
from jaxspeech.tasks.attention_search import decode_best
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update

TOKENS, PROMPT, VOCAB, END, SECONDS = 60, 10, 5248, 3, 15.0


def model_of(batch: int, *, beam_size: int) -> tuple[Any, Any, Any, Any]:
    """Make the task, its variables, the audio and the prompts; a text never ends before its 60 tokens."""
    config = attention_config(vocab_size=VOCAB, end_id=END, dtype="float32")
    # The frames of 15 s, and so many fewer tokens that the limit is 60.
    frames = -(-int(SECONDS * 100 + 1) // 8)
    config["search"] |= {"beam_size": beam_size, "more_than_frames": TOKENS - frames}
    variables = jax.device_get(jax.jit(build(config).init)(jax.random.key(0)))
    variables["params"]["decoder"]["bias"] = np.where(np.arange(VOCAB) == END, -1e4, 0).astype(np.float32)
    config, variables = for_inference(config, variables)
    task, rng = build(config), np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal((batch, int(SECONDS * SAMPLE_RATE)))).astype(np.float32)
    audio = samples, np.full(batch, samples.shape[1], np.int32)
    prompts = np.tile(np.arange(4, 4 + PROMPT, dtype=np.int32), (batch, 1)), np.full(batch, PROMPT, np.int32)
    return task, jax.device_put(variables), jax.device_put(audio), jax.device_put(prompts)


def decode(repeat: int, *, beam_size: int = 1, batch: int = 8, weight: float = 0.0) -> dict[str, Any]:
    """Search from encoder frames to tokens on the host; with a weight, with the n-grams of `random_ngrams`."""
    task, variables, audio, prompts = model_of(batch, beam_size=beam_size)
    if weight:
        model = random_ngram(VOCAB, bigrams=60_000)
        starts = model.starts[None, 1:]
        variables = variables | {FUSION: Fused((model,), jnp.array([weight]), starts)._asdict()}
    encoded, num_frames = jax.jit(task.inference.encode)(variables, *audio)
    search = jax.jit(lambda variables, *inputs: decode_best(task.model, variables, *inputs)[0])
    inputs = encoded, num_frames, *prompts
    times = measure(lambda: jax.device_get(search(variables, *inputs)), repeat or 7)
    found = search(variables, *inputs).num_tokens
    sizes = {"params": num_parameters(variables), "batch": batch, "T": encoded.shape[1], "beam": beam_size}
    return {**sizes, "tokens_each": jnp.asarray(found).tolist(), **times}


def infer(repeat: int, *, batch: int = 8) -> dict[str, Any]:
    """From waveforms to tokens on the host, greedily."""
    task, variables, audio, prompts = model_of(batch, beam_size=1)

    @jax.jit
    def run(variables: Any, samples: Any, num_samples: Any, *prompts: Any) -> Any:
        encoded, num_frames = task.inference.encode(variables, samples, num_samples)
        return decode_best(task.model, variables, encoded, num_frames, *prompts)[0]

    times = measure(lambda: jax.device_get(run(variables, *audio, *prompts)), repeat or 5)
    return {"params": num_parameters(variables), "batch": batch, **times, "RTFx": batch * SECONDS / times["median_s"]}


def train(repeat: int, *, batch: int = 8, seconds: float = 10.0, tokens: int = 40) -> dict[str, Any]:
    """One step with AdamW."""
    task, optimizer = build(attention_config(vocab_size=VOCAB, end_id=END, dtype="float32")), adamw(1e-4)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-4)
    noise = noise_batch(batch, seconds, num_labels=tokens)
    prompts = np.tile(np.arange(4, 4 + PROMPT, dtype=np.int32), (batch, 1)), np.full(batch, PROMPT, np.int32)
    inputs = jax.device_put(
        Prompted(noise.samples, noise.num_samples, *prompts, noise.labels, noise.num_labels, noise.index)
    )

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, inputs, 0)
        return metrics

    times = measure(run, repeat or 3, warmup=2)
    return {"params": parameters, "batch": batch, **times, "RTFx": batch * seconds / times["median_s"]}


CASES = {
    "aed_greedy": decode,
    "aed_beam4": partial(decode, beam_size=4),
    "aed_beam4_lm": partial(decode, beam_size=4, weight=0.3),
    "aed_beam4_b1": partial(decode, beam_size=4, batch=1),
    "aed_infer_b8": infer,
    "aed_train": train,
}
