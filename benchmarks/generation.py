"""Measures a language model's prompt and its answer: Qwen2.5-0.5B's shape, 494M random weights in float32.

`llm_prefill` runs a prompt of 256 tokens into an empty cache, to the logits of the first token of the answer;
`llm_decode` generates 64 tokens after it, greedily; with 1 row, and with 8.
`benchmarks.beside_transformers.language_model` runs this and Transformers.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.target_programs import Case
from benchmarks.timing import measure
from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.nn.rotary import Rope
from jaxspeech.search.generate import advance, start
from jaxspeech.search.selection import selection

SIZES: dict[str, dict[str, Any]] = {
    "qwen2.5-0.5b": {
        "vocab_size": 151936,
        "width": 896,
        "num_layers": 24,
        "num_heads": 14,
        "num_groups": 2,
        "hidden_width": 4864,
        "biases": True,
        "rope": Rope(theta=1e6),
    },
    "qwen3-1.7b": {
        "vocab_size": 151936,
        "width": 2048,
        "num_layers": 28,
        "num_heads": 16,
        "num_groups": 8,
        "head_width": 128,
        "hidden_width": 6144,
        "query_key_norm": True,
        "rope": Rope(theta=1e6),
    },
}


def decoder(size: str, **more: Any) -> CausalTransformer:
    """Makes the decoder in the form in which it generates."""
    return CausalTransformer(**SIZES[size], scan_layers=False, **more)


def param_shapes(model: CausalTransformer) -> Any:
    """Returns the shapes of the weights."""

    def whole(model: CausalTransformer) -> Any:
        return model.logits(model(model.embed(jnp.zeros((1, 1), jnp.int32)), jnp.ones(1, jnp.int32)))

    return jax.eval_shape(partial(model.init, method=whole), jax.random.key(0))["params"]


def random_params(model: CausalTransformer) -> Any:
    """Draws the weights; its own initialization would compile for a minute."""
    leaves, tree = jax.tree.flatten(param_shapes(model))
    draw = cache(
        lambda shape: jax.jit(lambda key: (jax.random.normal(key, shape) * shape[-1] ** -0.5).astype(model.dtype))
    )
    keys = jax.random.split(jax.random.key(0), len(leaves))
    return tree.unflatten([draw(x.shape)(key) for x, key in zip(leaves, keys, strict=True)])


def prefill(model: CausalTransformer, params: Any, ids: Any, *, room: int) -> tuple[Any, Any]:
    """Runs prompts [B P] into a cache; returns the logits [B V] of the first token and the cache."""
    apply = partial(model.apply, {"params": params})
    b, p = ids.shape
    states, past = apply(
        apply(ids, method="embed"), jnp.full(b, p), apply(b, room, method="initial_cache"), method="extend"
    )
    return apply(states[:, -1], method="logits"), past


def answer(model: CausalTransformer, params: Any, logits: Any, past: Any, *, count: int, **options: Any) -> Any:
    """Generates `count` tokens in each row; returns the state too, which can then take the memory of `past`."""
    step = partial(model.apply, {"params": params}, method="step")
    return advance(step, start(logits, past, end_ids=(), most_tokens=count, **options), end_ids=(), **options)


def run(
    repeat: int,
    *,
    part: str,
    batch_size: int = 1,
    size: str = "qwen2.5-0.5b",
    prompt: int = 256,
    count: int = 64,
    drawn: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Runs the prompt, or generates after it."""
    model = decoder(size, **more)
    params = random_params(model)
    ids = jax.random.randint(jax.random.key(1), (batch_size, prompt), 0, model.vocab_size)
    read = jax.jit(lambda params, ids: prefill(model, params, ids, room=prompt + count))
    options: dict[str, Any] = {}
    if drawn is not None:
        options = {"select": selection(**drawn), "keys": jax.random.split(jax.random.key(2), batch_size)}
    continued = jax.jit(lambda params, logits, past: answer(model, params, logits, past, count=count, **options))
    sizes = {"batch": batch_size, "prompt": prompt, "params": sum(x.size for x in jax.tree.leaves(params))}
    if part == "prefill":
        times = measure(lambda: read(params, ids), repeat or 5)
        return {**sizes, **times, "tokens_per_s": batch_size * prompt / times["median_s"]}
    logits, past = read(params, ids)
    times = measure(lambda: continued(params, logits, past), repeat or 5)
    return {**sizes, "tokens": count, **times, "tokens_per_s": batch_size * count / times["median_s"]}


def on_target(
    mesh: Mesh, *, part: str, batch_size: int, size: str = "qwen3-1.7b", prompt: int = 256, count: int = 64
) -> Case:
    """The same in bfloat16, for a device that is not there; the answer takes the memory of the prompt's cache."""
    model, whole = decoder(size, dtype=jnp.bfloat16), NamedSharding(mesh, P())

    def placed(shapes: Any) -> Any:
        half = {jnp.dtype(jnp.float32): jnp.dtype(jnp.bfloat16)}
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, half.get(x.dtype, x.dtype), sharding=whole), shapes)

    params = placed(param_shapes(model))
    ids = placed(jax.ShapeDtypeStruct((batch_size, prompt), jnp.int32))
    read = partial(prefill, model, room=prompt + count)
    if part == "prefill":
        return Case(jax.jit(read), (params, ids), 0.0)
    continued = jax.jit(partial(answer, model, count=count), donate_argnums=2)
    return Case(continued, (params, *placed(jax.eval_shape(read, params, ids))), 0.0, count - 1)


CASES = {
    "llm_prefill": partial(run, part="prefill"),
    "llm_prefill_b8": partial(run, part="prefill", batch_size=8),
    "llm_decode": partial(run, part="decode"),
    "llm_decode_b8": partial(run, part="decode", batch_size=8),
    "llm_sample": partial(run, part="decode", drawn={"temperature": 0.7, "top_p": 0.8}),
}
_GPU: dict[str, Any] = {"size": "qwen3-1.7b", "batch_size": 128, "dtype": jnp.bfloat16}
GPU_CASES = {
    "llm_prefill_gpu": partial(run, part="prefill", **_GPU),
    "llm_decode_gpu": partial(run, part="decode", **_GPU),
}
