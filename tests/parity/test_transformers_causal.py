"""Decoder-only language models of Transformers: read from its folders, they give its results."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.interop.transformers.causal_rows import causal_rows
from jaxspeech.masks import right_padded
from jaxspeech.nn import grouped_attention
from jaxspeech.nn.rotary import rotation
from jaxspeech.tasks.causal_lm import Dialogues

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("hf_qwen2", "hf_llama", "hf_llama3")]
LORA = {"rank": 4, "alpha": 8, "targets": ("query", "value")}


@pytest.fixture(scope="module", params=["hf_qwen3", *SLOW])
def given(request, refs):
    """The folder's model, Transformers' arrays, and the tokens on the left of each row's padding."""
    if not (refs / f"{request.param}.npz").exists():
        pytest.skip(f"{refs} has no {request.param}.npz")
    with np.load(refs / f"{request.param}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads((refs / f"{request.param}.json").read_text())
    archive = load_transformers(refs / request.param, stacked=False)
    num = arrays["attention_mask"].sum(1)
    return archive, arrays, about, right_padded(jnp.asarray(arrays["input_ids"]), num), num


def on_the_left(ours, like, num):
    """Pairs of our real rows and Transformers', whose padding is on the left."""
    return [(np.asarray(ours[b, :n]), like[b, like.shape[1] - n :]) for b, n in enumerate(num)]


def test_states_logits_and_loss(given):
    archive, arrays, _, ids, num = given
    decoder = build(archive.model).model.decoder
    params = archive.variables["params"]["decoder"]
    apply = partial(decoder.apply, {"params": params})
    x = apply(ids, method="embed")
    states = jax.jit(apply)(x, num)
    for ours, theirs in on_the_left(x, arrays["hidden0"], num) + on_the_left(states, arrays["hidden2"], num):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    one = decoder.clone(num_layers=1).apply({"params": params | {"norm": {"scale": np.ones(x.shape[-1])}}}, x, num)
    for ours, theirs in on_the_left(one, arrays["hidden1"], num):
        scale = np.sqrt((theirs * theirs).mean(-1, keepdims=True) + decoder.norm_epsilon)
        np.testing.assert_allclose(ours, theirs / scale, atol=1e-4)
    for ours, theirs in on_the_left(apply(states, method="logits"), arrays["logits"], num):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)

    batch = Dialogues(ids, num, num, np.ones(ids.shape, bool), np.arange(len(num)))
    rows, _ = build(archive.model).phases[0].loss(archive.variables, batch, jax.random.key(0))
    logits = jax.nn.log_softmax(arrays["logits"])
    # Transformers' mean has the first token of each padded row in it, as if its padding said something.
    first = [-logits[b, -n - 1, arrays["input_ids"][b, -n]] for b, n in enumerate(num) if n < ids.shape[1]]
    mean = (rows.losses.sum() + sum(first)) / (rows.weights.sum() + len(first))
    np.testing.assert_allclose(mean, arrays["loss"], rtol=1e-5)


def test_cache_in_chunks_and_greedy_texts(given):
    archive, arrays, _, ids, num = given
    task = build(archive.model)
    apply = partial(task.model.decoder.apply, {"params": archive.variables["params"]["decoder"]})
    extend = jax.jit(partial(apply, method="extend"))
    x, cache = apply(ids, method="embed"), apply(len(num), 19, method="initial_cache")
    for start in (0, 9):
        _, cache = extend(x[:, start : start + 10], np.clip(num - start, 0, 9 + start // 9), cache)
    row = list(num).index(arrays["cache_k_layer0"].shape[2])
    np.testing.assert_allclose(cache.layers[0].keys[row], arrays["cache_k_layer0"][0], atol=1e-4)
    np.testing.assert_allclose(cache.layers[0].values[row], arrays["cache_v_layer0"][0], atol=1e-4)

    @jax.jit
    def run(variables):
        prompt = Dialogues(ids, num, num, np.zeros(ids.shape, bool), np.arange(len(num)))
        logits, state = task.inference.start(variables, prompt, 24)
        given = jnp.asarray(arrays["greedy"]).T

        def body(carry, ids):
            logits, state = task.inference.step(variables, ids, carry[1])
            return (logits, state), carry[0]

        return jax.lax.scan(body, (logits, state), given)[1]

    logits = run(archive.variables).swapaxes(0, 1)
    steps = arrays["greedy_step_logits"].shape[1]
    np.testing.assert_allclose(logits[:, :steps], arrays["greedy_step_logits"], atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(-1), arrays["greedy"])


def attend_by_adding(query, attended, seen):
    """Attention that adds to the scores of unseen keys, so that a query without any has gradients of its scores."""
    b, n, h, k = query.shape
    split = query.reshape(b, n, attended.keys.shape[1], -1, k)
    scores = jnp.einsum("bngrk,bgsk->bgrns", split, attended.keys) / k**0.5
    weights = jax.nn.softmax(scores + jnp.where(seen[:, None, None], 0.0, jnp.finfo(jnp.float32).min))
    return jnp.einsum("bgrns,bgsk->bngrk", weights, attended.values).reshape(b, n, h * k)


def left_padded(decoder, ids, mask, positions):
    """The logits as Transformers computes them, padding on the left included, which attends to everything."""
    x, turn = decoder.embed(ids), rotation(decoder.rope, decoder.channels, positions)
    seen = jnp.tril(jnp.ones((ids.shape[1],) * 2, bool)) & mask[:, None]
    for layer in decoder.layers:
        x, _ = layer(x, turn, seen)
    return decoder.logits(decoder.norm(x))


def test_low_rank_changes_and_their_gradients(given, monkeypatch):
    """The reference's loss has the first token of each padded row in it, so its padding has gradients too."""
    archive, arrays, _, _, num = given
    model = archive.model | {"decoder": archive.model["decoder"] | {"lora": LORA}}
    decoder = build(model).model.decoder
    rows = [row for row in causal_rows(model["decoder"], trunk="lora.base_model.model.model") if "lora_" in row.nemo]
    names = {row.nemo.format(i=i): row.ours.format(i=i).split("/")[2:] for row in rows for i in range(2)}
    lora = {name: arrays[name].T for name in names}
    ids, mask, positions = (jnp.asarray(arrays[x]) for x in ("input_ids", "attention_mask", "position_ids"))

    def run(lora):
        params = jax.tree.map(lambda x: x, archive.variables["params"]["decoder"])
        for name, (layer, branch, projection, part) in names.items():
            params[layer][branch][projection] = params[layer][branch][projection] | {part: lora[name]}
        logits = decoder.apply({"params": params}, ids, mask == 1, positions, method=left_padded)
        log_probs = jnp.take_along_axis(jax.nn.log_softmax(logits[:, :-1]), ids[:, 1:, None], axis=-1)[..., 0]
        real = right_padded(ids, num), num
        states = decoder.apply({"params": params}, decoder.apply({"params": params}, real[0], method="embed"), num)
        ours = decoder.apply({"params": params}, states, method="logits")
        return -jnp.sum(log_probs * mask[:, 1:]) / mask[:, 1:].sum(), ours

    np.testing.assert_allclose(run(lora)[1][0], arrays["lora_logits"][0], atol=1e-4)
    monkeypatch.setattr(grouped_attention, "attend", attend_by_adding)
    gradients, logits = jax.jit(jax.grad(run, has_aux=True))(lora)
    for ours, theirs in on_the_left(logits, arrays["lora_logits"], num):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for name, ours in gradients.items():
        theirs = arrays[name.replace("lora.", "lora_grad.", 1)].T
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, np.abs(theirs).max()), rtol=1e-4)
