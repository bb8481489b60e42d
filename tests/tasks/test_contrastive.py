"""Contrastive pretraining: what is masked, padding, steps that count, and every choice of negatives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.pretraining import pretraining_scores
from jaxspeech.losses import rnnt_loss
from jaxspeech.quantizers.gumbel import Targets
from jaxspeech.tasks.contrastive import ctc_code_losses, frame_losses, rnnt_code_losses
from jaxspeech.tasks.contrastive_model import Encoded
from jaxspeech.tasks.contrastive_options import NEGATIVES
from jaxspeech.tasks.pretrain import UnlabelledSpeech
from tests.contract.cases import CONTRASTIVE
from tests.interop.random_model import task_variables

# Frames of a batch: of the second row a part of an encoder frame, of the third one encoder frame, of the last none.
LENGTHS = np.array([9600, 900, 1360, 0], np.int32)
ROWS, FRAMES, WIDTH = 3, 6, 8
START = np.zeros(1, np.float32)


def config(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(CONTRASTIVE)
    for key, fields in changes.items():
        found[key] = {**found.get(key, {}), **fields}
    return found


@pytest.fixture(scope="module")
def run():
    """Everything is masked; the noisy recordings differ from those that targets are made of."""
    task = build(
        config(
            masking={"patch_frames": 1, "patches": 10**4},
            masked_codes={"first_step": 3},
            loss={"diversity": 0.5},
        )
    )
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 4, 9600)).astype(np.float32)
    samples[:, np.arange(9600) >= LENGTHS[:, None]] = np.nan
    batch = UnlabelledSpeech(samples[0], LENGTHS, np.array([4, 7, 9, -1], np.int32), samples[1])
    variables = jax.jit(task.init)(jax.random.key(0))

    @jax.jit
    def step(steps: Any, batch: Any, params: Any) -> Any:
        def total(params: Any) -> Any:
            held = variables | {"params": params, "steps": {"count": steps}}
            rows, updates = task.phases[0].loss(held, batch, jax.random.key(1))
            return rows.losses.sum(), (rows, updates)

        return jax.grad(total, has_aux=True)(params)

    def step_from(steps: Any, batch: Any, params: Any = variables["params"]) -> Any:
        return step(steps, batch, params)  # one program, whatever is given

    return task, variables, batch, step_from


def test_nothing_or_everything_masked_padding_and_filler_rows_are_finite(run):
    _, _, batch, step = run
    gradient, (rows, updates) = jax.device_get(step(START, batch))
    assert all(np.isfinite(part).all() for part in jax.tree.leaves((gradient, rows)))
    assert rows.losses[0] > 0 and rows.weights.tolist() == [7, 0, 1, 0]
    np.testing.assert_allclose(rows.logged["mask_share"], [1, 1, 1, 0], rtol=0.02)
    assert updates["steps"]["count"] == 1
    # What a filler row holds counts nowhere, the perplexity of the codes included.
    filled = batch._replace(num_samples=np.array([*LENGTHS[:3], 9600], np.int32))
    samples = np.nan_to_num(batch.samples)
    again, (others, _) = jax.device_get(step(START, filled._replace(samples=samples, noisy_samples=samples)))
    assert np.isfinite(others.losses).all() and others.weights[3] == 0
    del again


def test_a_few_steps_learn(run):
    """The targets are found more often, and of which codes they are."""
    _, variables, batch, step = run
    params, logged = variables["params"], []
    for _ in range(12):
        gradient, (rows, _) = step(np.full(1, 3, np.float32), batch, params)
        logged.append({name: float(values[0]) for name, values in rows.logged.items()} | {"loss": rows.losses.sum()})
        size = sum((part**2).sum() for part in jax.tree.leaves(gradient)) ** 0.5
        params = jax.tree.map(lambda p, g, size=size: p - 0.2 * g / size, params, gradient)
    first, last = logged[0], logged[-1]
    assert last["loss"] < 0.8 * first["loss"] and last["code_loss"] < first["code_loss"]
    assert last["accuracy"] > first["accuracy"] and last["codebook_perplexity"] > 1.5


def test_a_loss_of_codes_starts_at_its_step(run):
    task, _, batch, step = run
    losses = [jax.device_get(step(np.full(1, steps, np.float32), batch)[1][0].losses) for steps in (2, 3)]
    assert losses[1][0] > losses[0][0] + 1 and losses[1][1] == losses[0][1]
    start, end, decay = task.model.loss.noise_temperature
    assert (start, end) == (2.0, 0.5) and decay < 1


def test_scores_of_a_set(run):
    task, variables, batch, _ = run
    found = jax.device_get(jax.jit(task.predict)(variables, batch))
    assert found.selected.tolist() == [7, 0, 1, 0] and found.maskable.tolist()[3] == 0
    evaluation = pretraining_scores(task.model.quantizer.num_codes)
    rows = evaluation.collect(found, batch)
    scores = evaluation.score(dict(enumerate(rows[:3])), {})
    assert 1 <= scores["code_perplexity"] <= 4 and scores["mask_share"] == 1 and scores["loss"] > 0
    linear = pretraining_scores(0)
    found = found._replace(ids=found.ids[:, :, :0])
    scores = linear.score(dict(enumerate(linear.collect(found, batch)[:3])), {})
    assert [*scores] == ["loss", "accuracy", "mask_share"] and "perplexity" not in linear.show(scores)


def test_heads_take_what_a_layer_makes():
    """The output of the last layer is that of the encoder."""
    fields = config(loss={"layer": 0}, masked_codes={"layer": 1})
    task: Any = build({**fields, "encoder": {**fields["encoder"], "num_layers": 2}})
    variables = task_variables(task)
    samples, keys = np.random.default_rng(0).normal(0, 0.1, (1, 4800)), jax.random.split(jax.random.key(0), 1)

    @jax.jit
    def both(variables: Any) -> Any:
        inputs: Any = samples.astype(np.float32), np.array([4800]), None, keys
        apply: Any = task.model.apply
        found = apply(variables, *inputs, method="encode_masked")
        decoder = task.model.decoder.clone(parent=None, name=None)
        return found, decoder.apply({"params": variables["params"]["decoder"]}, found.encoded, found.num_frames)[0]

    found, of_last = both(variables)
    np.testing.assert_allclose(found.for_masked, found.encoded, atol=1e-6)
    assert np.abs(found.outputs - of_last).max() > 0.01
    with pytest.raises(ConfigError, match="layers has 5"):
        jax.eval_shape(build(config(loss={"layer": 5})).init, jax.random.key(0))


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_negatives_come_from_where_they_are_chosen(negatives):
    """The first row has one masked frame, so that nothing but other rows, or frames, or codes can be its negatives."""
    rng = np.random.default_rng(0)
    model: Any = build(config(loss={"negatives": negatives, "num_negatives": 4})).model
    masked = np.zeros((ROWS, FRAMES), bool)
    masked[0, 2], masked[1, 1:5] = True, True
    codes, ids = rng.normal(size=(4, 4)).astype(np.float32), rng.integers(0, 4, (ROWS, FRAMES, 2))
    ids[0, 2] = [3, 1]
    ids[0, :2], ids[1, 1:5] = [1, 1], [0, 2]
    targets = Targets(
        *(jnp.asarray(codes[ids].reshape(ROWS, FRAMES, WIDTH)), jnp.asarray(ids), jnp.asarray(ids)),
        *(jnp.asarray(codes), jnp.zeros((ROWS, FRAMES, 2, 4))),
    )
    outputs = jnp.asarray(rng.normal(size=(ROWS, FRAMES, WIDTH)), jnp.float32)
    none, count = jnp.zeros((ROWS, FRAMES, 1)), jnp.full(ROWS, FRAMES)
    complete = jnp.ones((ROWS, FRAMES), bool)
    found = Encoded(none, count, none, none, outputs, count, none, jnp.asarray(masked), complete, complete, count)
    keys, compute = jax.random.split(jax.random.key(0), ROWS), jax.jit(partial(frame_losses, model))
    losses, right = compute(found, targets, keys, jax.random.key(1))
    assert np.isfinite(losses).all() and not np.any(losses[~masked]) and not np.any(right[~masked])
    assert (losses[0, 2] > 0) == (negatives != "utterance_masked")
    # The codes of the second row's masked frames are all the same: none of them differs from the frame's own.
    assert np.any(losses[1, 1:5] > 0) == (negatives != "utterance_masked")


def test_codes_in_sequence_are_merged_and_what_does_not_fit_counts_nothing():
    """Of two frames a row, one has the same code twice, one has two codes, and one more codes than frames."""
    model: Any = build(config(ctc_codes={"weight": 1.0})).model
    rng = np.random.default_rng(0)
    params = {"ctc_head": {"out": {"kernel": rng.normal(size=(2, 17)), "bias": rng.normal(size=17)}}}
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    ids = jnp.asarray([[[1, 2], [1, 2]], [[1, 2], [0, 3]], [[1, 2], [0, 3]]])
    none = jnp.zeros((3, 2, 1))
    targets = Targets(none, ids, ids, jnp.zeros((4, 4)), jnp.zeros((3, 2, 2, 4)))
    encoded, frames = jnp.asarray(rng.normal(size=(3, 2, 2)), jnp.float32), jnp.array([2, 2, 1])
    mask = jnp.ones((3, 2), bool)
    found = Encoded(encoded, frames, none, encoded, none, jnp.array([2, 2, 2]), none, mask, mask, mask, frames)
    chosen = model.ctc_codes
    assert chosen is not None and chosen.merge_repeats
    steps = {"steps": {"count": START}}
    losses = jax.jit(lambda p: ctc_code_losses(model, {"params": p, **steps}, found, targets, chosen))(params)
    scores = encoded @ params["ctc_head"]["out"]["kernel"] + params["ctc_head"]["out"]["bias"]
    p = np.exp(np.asarray(jax.nn.log_softmax(scores)))
    once = p[0, 0, 6] * p[0, 1, 6] + p[0, 0, 6] * p[0, 1, 16] + p[0, 0, 16] * p[0, 1, 6]
    np.testing.assert_allclose(losses, [-np.log(once), -np.log(p[1, 0, 6] * p[1, 1, 3]), 0], rtol=1e-5)


def test_codes_in_sequence_of_an_rnnt():
    """Of all logits at once; the second row's codes are merged to one, and the last row has no frame."""
    model: Any = build(config(rnnt_codes={"width": 3, "joint_width": 4, "activation": "tanh", "dropout": 0.5})).model
    rng = np.random.default_rng(0)
    encoded = jnp.asarray(rng.normal(size=(3, 4, 2)), jnp.float32)
    ids = jnp.asarray([[[1, 2], [0, 1], [0, 1], [3, 3]], [[1, 0]] * 4, [[0, 0]] * 4])
    targets = Targets(encoded, ids, ids, jnp.zeros((4, 4)), jnp.zeros((3, 4, 2, 4)))
    frames, mask = jnp.array([4, 3, 0]), jnp.ones((3, 4), bool)
    found = Encoded(encoded, frames, *[encoded] * 3, frames, encoded, mask, mask, mask, frames, encoded)
    chosen = model.rnnt_codes
    merged = jnp.asarray([[6, 1, 15, 0], [4, 0, 0, 0], [0, 0, 0, 0]])

    @jax.jit
    def compute():
        variables = {"steps": {"count": START}}
        variables |= model.init(jax.random.key(0), encoded, merged, method="rnnt_inputs")
        head = model.apply(variables, method=lambda model: model.rnnt_head.clone(parent=None, name=None))
        logits = head.apply({"params": variables["params"]["rnnt_head"]}, encoded, merged)
        expected = rnnt_loss(logits, frames, merged, jnp.array([3, 1, 0]), blank_id=16)
        return rnnt_code_losses(model, variables, found, targets, chosen, None), expected

    losses, expected = compute()
    np.testing.assert_allclose(losses[:2], expected[:2], rtol=1e-5)
    assert losses[2] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decoder": {"width": 6}}, "decoder.width is 6"),
        ({"quantizer": {"width": 7}}, "width 7"),
        ({"loss": {"negatives": "bach"}}, "negatives is 'bach'"),
        ({"loss": {"num_negatives": 0}}, "num_negatives 0"),
        ({"decoder": {"stride_layers": 1}}, "stride_layers must be 0"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        build(config(**changes))
    without = {**config(), "quantizer": {"name": "linear", "width": 8}}
    with pytest.raises(ConfigError, match="gumbel"):
        build(without)
