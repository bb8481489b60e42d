"""Compares pooling, the gated block of ECAPA-TDNN and the speaker head with NeMo's, gradients included.

The loss is the sum of the squares of the output.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.pooling import AttentivePooling, mean_pool, statistics_pool
from jaxspeech.decoders.speaker import SpeakerHead
from jaxspeech.encoders import ecapa
from jaxspeech.interop.nemo.weights.speaker import ecapa_rows, speaker_head_rows
from tests.parity.reference import arrays_of

MOMENTUM = 0.1


@pytest.fixture(scope="module")
def nemo(request):
    return arrays_of("pooling", request)[0]


@pytest.fixture(scope="module")
def inputs(nemo):
    """The frames [B T D], with NaN as padding, and their numbers."""
    x, counts = nemo["x"].transpose(0, 2, 1).copy(), nemo["len"].astype(np.int32)
    for row, count in enumerate(counts):
        x[row, count:] = np.nan
    return jnp.asarray(x), jnp.asarray(counts)


def variables_of(nemo, rows, prefix, *, drop, ours):
    """Our variables for NeMo's tensors, whose names begin with `prefix` and not `drop`; our paths lack `ours`."""
    variables = {}
    for row in rows:
        name = prefix + row.nemo.removeprefix(drop)
        if row.nemo.startswith(drop) and name in nemo:
            *path, last = row.ours.replace(ours, "").split("/")
            node = variables
            for part in path:
                node = node.setdefault(part, {})
            node[last] = jnp.asarray(row.transform.read(nemo[name]))
    return variables


def check(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), found, expected)


POOLS = {"xvector": statistics_pool, "tap": mean_pool}


@pytest.mark.parametrize("name", POOLS)
def test_statistics(nemo, inputs, name):
    (x, counts), pool = inputs, POOLS[name]
    np.testing.assert_allclose(pool(x, counts), nemo[f"stats.{name}.len"], atol=1e-6)
    whole = jnp.asarray(nemo["x"].transpose(0, 2, 1))
    np.testing.assert_allclose(pool(whole, jnp.full(3, 20)), nemo[f"stats.{name}.nolen"], atol=1e-6)


def test_attentive_pooling(nemo, inputs):
    x, counts = inputs
    rows = speaker_head_rows({"pooling": "attention", "embedding_widths": (), "angular": True})
    naming = {"drop": "decoder._pooling.", "ours": "/decoder/attention"}
    variables, expected = (variables_of(nemo, rows, f"attn.{part}.", **naming) for part in ("w", "grad"))

    def loss(params, x):
        pooled = AttentivePooling(8).apply(variables | {"params": params}, x, counts)
        return jnp.square(pooled).sum(), pooled

    (_, pooled), (grad, grad_x) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(variables["params"], x)
    np.testing.assert_allclose(pooled, nemo["attn.out"][:, :, 0], atol=1e-6)
    check(grad, expected["params"])
    check(grad_x, nemo["attn.grad_x"].transpose(0, 2, 1))


def test_gated_block(nemo, inputs, monkeypatch):
    monkeypatch.setattr(ecapa, "GATE_WIDTH", 6)
    x, counts = jnp.asarray(nemo["x"].transpose(0, 2, 1)), inputs[1]
    rows = ecapa_rows({"filters": (12, 12)})
    naming = {"drop": "encoder.layers.1.", "ours": "/encoder/block_0"}
    variables, expected = (variables_of(nemo, rows, f"tdnnse.{part}.", **naming) for part in ("w", "grad"))
    block = ecapa.ECAPABlock(3, 2, 4, norm_over_padding=True)

    def loss(params, x):
        # NeMo's block sees the padding.
        y = block.apply(variables | {"params": params}, x, counts, jnp.full(3, 20), False)
        return jnp.square(y).sum(), y

    (_, y), (grad, grad_x) = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(variables["params"], x)
    np.testing.assert_allclose(y, nemo["tdnnse.out"].transpose(0, 2, 1), atol=1e-5)
    check(grad, expected["params"])
    check(grad_x, nemo["tdnnse.grad_x"].transpose(0, 2, 1))


HEADS = {
    "angular": {"pooling": "attention", "attention_width": 6, "embedding_widths": (8,), "angular": True},
    "xvector": {"pooling": "statistics", "embedding_widths": (8, 5), "angular": False},
    "tap_angular": {"pooling": "mean", "embedding_widths": (8,), "angular": True},
}


@pytest.mark.parametrize("name", HEADS)
def test_head_before_and_after_a_step(nemo, inputs, name):
    """NeMo applies the last layer of the embedding twice, so that its running statistics move twice; ours move once.

    The reference has the statistics after the step only: those before it follow from the batch's, by which ours move.
    """
    x, counts = jnp.asarray(nemo["x"].transpose(0, 2, 1)), inputs[1]
    options = HEADS[name] | {"num_classes": 7, "normalize_weights": False, "norm_over_padding": True}
    after = variables_of(nemo, speaker_head_rows(options), f"dec_{name}.after_train.", drop="decoder.", ours="/decoder")
    head = SpeakerHead(**options)
    train = jax.jit(lambda variables: head.apply(variables, x, counts, train=True, mutable=["batch_stats"]))
    (logits, embedding), updated = train(after)
    np.testing.assert_allclose(logits, nemo[f"dec_{name}.train_logits"], atol=2e-5)
    np.testing.assert_allclose(embedding, nemo[f"dec_{name}.train_embs"], atol=2e-5)

    last = f"norm_{len(options['embedding_widths']) - 1}"

    def before(path, moved, after):
        batch = after + (moved - after) / MOMENTUM
        return batch + (after - batch) / (1 - MOMENTUM) ** (2 if last in jax.tree_util.keystr(path) else 1)

    stats = jax.tree_util.tree_map_with_path(before, updated["batch_stats"], after["batch_stats"])
    logits, embedding = jax.jit(head.apply)(after | {"batch_stats": stats}, x, counts)
    np.testing.assert_allclose(logits, nemo[f"dec_{name}.logits"], atol=2e-5)
    np.testing.assert_allclose(embedding, nemo[f"dec_{name}.embs"], atol=2e-5)
