"""Losses of middle layers and of two views, put together by hand from the model's own logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.tasks.train_apply import train_apply
from tests.interop.random_model import task_variables
from tests.losses.oracles import log_softmax, recursive_ctc

ENCODER = {
    **{"name": "fastconformer", "num_layers": 3, "width": 16, "num_heads": 2, "subsampling": "stacking"},
    **{"subsampling_factor": 4, "conv_kernel": 5, "ff_expansion": 2, "dropout": 0.0, "dropout_pre_encoder": 0.0},
}
CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "spec_augment": {"freq_masks": 1, "freq_width": 5, "time_masks": 3, "time_width": 0.2},
    "encoder": ENCODER | {"dropout_att": 0.0},
    "decoder": {"name": "ctc", "vocab_size": 5},
    "interctc": {"layers": (1, 0), "weights": (0.2, 0.1)},
    "consistency": {"weight": 0.5},
}
HYBRID = CONFIG | {
    "task": "hybrid",
    "decoder": {"name": "transducer", "vocab_size": 5, "width": 8, "joint_width": 8},
    "ctc_weight": 0.4,
}


def batch() -> Utterances:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(3, 8000)).astype(np.float32)
    num_samples = np.array([8000, 4500, 1200], np.int32)
    samples[np.arange(8000) >= num_samples[:, None]] = np.nan
    labels, num_labels = rng.integers(0, 5, (3, 4)).astype(np.int32), np.array([4, 2, 4], np.int32)
    return Utterances(samples, num_samples, labels, num_labels, np.array([0, 1, -1], np.int32))


def test_ctc_is_the_weighted_sum_of_its_terms_over_two_views():
    task, rows, key = build(CONFIG), batch(), jax.random.key(1)

    @jax.jit
    def run(key):
        variables = task_variables(task)
        inputs = rows.samples, rows.num_samples
        encodings, _ = train_apply(task.model, variables, key, *inputs, method="encodings")

        def total(params):
            found, _ = task.phases[0].loss(variables | {"params": params}, rows, key)
            return jnp.where(found.losses == jnp.inf, 0, found.losses).sum(), found

        return encodings, *jax.grad(total, has_aux=True)(variables["params"])

    encodings, gradient, found = jax.device_get(run(key))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert encodings.num_frames.tolist() == [12, 12, 7, 7, 1, 1]  # the views of a row are neighbours
    assert np.abs(encodings.head.logits[0] - encodings.head.logits[1]).max() > 1e-3  # with masks of their own

    def ctc(frames, b: int) -> float:
        n, labels = frames.num_frames[2 * b], rows.labels[b, : rows.num_labels[b]]
        return float(np.mean([recursive_ctc(frames.logits[2 * b + view, :n], labels, 5)[0] for view in (0, 1)]))

    for b in (0, 1):
        n = encodings.num_frames[2 * b]
        p, q = (log_softmax(encodings.head.logits[2 * b + view, :n]) for view in (0, 1))
        consistency = 0.5 * (np.exp(q) * (q - p) + np.exp(p) * (p - q)).sum()
        last, first, second = ctc(encodings.head, b), *(ctc(frames, b) for frames in encodings.inner)
        expected = 0.7 * (last + 0.5 * consistency) + 0.2 * first + 0.1 * second
        np.testing.assert_allclose(found.losses[b], expected, rtol=1e-5)
        logged = {name: values[b] for name, values in found.logged.items()}
        terms = {"ctc_loss": last, "consistency_loss": consistency, "interctc_loss_1": first, "interctc_loss_0": second}
        assert logged == pytest.approx(terms, rel=1e-5)
    assert found.losses[2] == np.inf  # four labels in one frame
    assert all(np.isfinite(values).all() for values in found.logged.values())


def test_a_hybrid_model_weighs_them_with_its_transducer():
    task = build(HYBRID)

    @jax.jit
    def run(rows):
        return task.phases[0].loss(task_variables(task), rows, jax.random.key(1))[0]

    losses, _, logged = jax.device_get(run(batch()))
    ctc = logged["ctc_loss"] + 0.5 * logged["consistency_loss"]
    ctc = np.where(logged["ctc_loss"] == 0, 0, ctc)  # where CTC has no path, the transducer learns alone
    main = 0.6 * logged["transducer_loss"] + 0.4 * ctc
    expected = 0.7 * main + 0.2 * logged["interctc_loss_1"] + 0.1 * logged["interctc_loss_0"]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert np.isfinite(losses).all() and (logged["consistency_loss"][:2] > 0).all()


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"layers": (3,), "weights": (0.1,)}, r"layers has 3: layers are 0 to 2"),
        ({"layers": (1, 1), "weights": (0.1, 0.1)}, r"give each layer once"),
        ({"layers": (1,), "weights": (1.0,)}, r"must leave some to the main loss"),
        ({"layers": (), "weights": ()}, r"give each layer once"),
    ],
)
def test_layers_and_weights_that_cannot_be_are_refused(section, line):
    with pytest.raises(ConfigError, match=line):
        build(CONFIG | {"interctc": section})
    with pytest.raises(ConfigError, match=r"consistency: weight is -1"):
        build(CONFIG | {"consistency": {"weight": -1}})
