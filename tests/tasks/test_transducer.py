"""Tests transducer and hybrid tasks: the loss of each kind, independence of padding, and the choice of head."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.search import with_search
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.losses.transducer import multiblank_rnnt_loss, rnnt_loss, tdt_loss
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.tasks.transducer_loss import transducer_losses
from tests.eight_devices import on_eight_devices
from tests.interop.random_model import task_variables
from tests.log_probs import log_probs_of

V = 10
BASE = {
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {
        "name": "fastconformer",
        "num_layers": 1,
        "width": 16,
        "num_heads": 2,
        "subsampling": "stacking",
        "dropout": 0.0,
        "dropout_pre_encoder": 0.0,
        "dropout_att": 0.0,
    },
}
DECODER = {"name": "transducer", "vocab_size": V, "width": 12, "joint_width": 14, "dropout": 0.0, "joint_dropout": 0.0}
KINDS = {
    "rnnt": ({}, {"fastemit": 0.1}),
    "tdt": ({"durations": (0, 1, 2)}, {"sigma": 0.05, "wildcard": "force_final", "wildcard_weight": -1.0}),
    "multi-blank": ({"big_blanks": (2, 3)}, {"sigma": 0.05}),
}


def config(kind: str, **more):
    decoder, loss = KINDS[kind]
    return {"task": "transducer", **BASE, "decoder": DECODER | decoder, "loss": loss} | more


def make_batch() -> Utterances:
    """Returns a batch of an ordinary row, one with a single label, one without labels, and a filler."""
    rng = np.random.default_rng(0)
    return Utterances(
        samples=rng.normal(size=(4, 16000)).astype(np.float32),
        num_samples=np.array([16000, 9000, 8000, 0], np.int32),
        labels=rng.integers(0, V, (4, 5)).astype(np.int32),
        num_labels=np.array([5, 1, 0, 0], np.int32),
        index=np.array([7, 8, 9, -1], np.int32),
    )


class Kind(NamedTuple):
    """A kind of transducer; `learn` computes the gradient of a batch's real rows, and what the loss returns."""

    name: str
    task: Any
    variables: Any
    learn: Callable[[Any, Utterances], tuple[Any, tuple[Any, Any]]]


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> Kind:
    task = build(config(request.param))

    def learn(variables, batch):
        def real_rows(params):
            losses, updates = task.loss(variables | {"params": params}, batch, jax.random.key(1))
            return jnp.where(batch.index >= 0, losses, 0).sum(), (losses, updates)

        return jax.grad(real_rows, has_aux=True)(variables["params"])

    return Kind(request.param, task, task_variables(task), jax.jit(learn))


def train_outputs(task, variables, batch):
    """What the model computes of a batch in training."""
    inputs = batch.samples, batch.num_samples, batch.labels
    return task.model.apply(variables, *inputs, train=True, mutable=["batch_stats"])[0]


def test_loss_equals_that_of_all_logits(kind):
    batch = make_batch()
    _, (losses, updates) = kind.learn(kind.variables, batch)
    assert losses.shape == (4,) and losses.dtype == jnp.float32 and set(updates) == {"batch_stats"}
    loss = {"rnnt": rnnt_loss, "tdt": tdt_loss, "multi-blank": multiblank_rnnt_loss}[kind.name]
    wildcard = {"wildcard": "force_final", "wildcard_weight": -1.0}
    options = {"tdt": {"durations": (0, 1, 2), "sigma": 0.05, **wildcard}, "rnnt": {"fastemit": 0.1}}.get(
        kind.name, {"big_blank_durations": (2, 3), "sigma": 0.05}
    )

    @jax.jit
    def of_all_logits(variables):
        logits, num_frames = train_outputs(kind.task, variables, batch)
        blank_id = kind.task.model.decoder.blank_id
        return loss(logits, num_frames, batch.labels, batch.num_labels, blank_id=blank_id, **options)

    np.testing.assert_allclose(losses[:3], of_all_logits(kind.variables)[:3], rtol=1e-5)
    assert np.isfinite(losses[:3]).all()


def test_wildcards_that_cannot_be_are_refused():
    for kind, loss, message in (
        ("multi-blank", {"wildcard": "force_final"}, "wildcard 'force_final': not with decoder.big_blanks"),
        ("rnnt", {"wildcard": "none", "wildcard_weight": float("nan")}, "wildcard_weight nan"),
    ):
        with pytest.raises(ConfigError, match=message):
            build(config(kind) | {"loss": loss})


def test_padding_and_fillers_change_no_gradient(kind):
    batch = make_batch()
    real = np.arange(16000) < batch.num_samples[:, None]
    label = np.arange(5) < batch.num_labels[:, None]
    spoilt = batch._replace(
        samples=np.where(real, batch.samples, np.nan), labels=np.where(label, batch.labels, 10**6).astype(np.int32)
    )
    usual, other = (kind.learn(kind.variables, rows)[0] for rows in (batch, spoilt))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(usual))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), usual, other)


def test_prediction_ignores_labels_and_padding(kind):
    batch, variables = make_batch(), kind.variables
    real = np.arange(16000) < batch.num_samples[:, None]
    other = batch._replace(samples=np.where(real, batch.samples, np.nan), labels=np.full_like(batch.labels, 10**6))
    predict = jax.jit(kind.task.predict)
    tokens, again = predict(variables, batch), predict(variables, other)
    np.testing.assert_array_equal(tokens.num_tokens, again.num_tokens)
    assert tokens.num_tokens[3] == 0 and tokens.num_tokens.max() > 0
    for b, n in enumerate(tokens.num_tokens):
        np.testing.assert_array_equal(tokens.ids[b, :n], again.ids[b, :n])


def test_dropout_differs_between_keys():
    task = build(config("rnnt", decoder=DECODER | {"joint_dropout": 0.5}))
    variables, batch = task_variables(task), make_batch()
    loss = jax.jit(task.loss)
    first, same, other = (loss(variables, batch, jax.random.key(k))[0][0] for k in (1, 1, 2))
    assert first == same != other


def test_omega_trains_on_tokens_only():
    batch, losses = make_batch(), {}
    tasks = {omega: build(config("tdt", loss={"omega": omega})) for omega in (0.5, 1.0)}
    variables = task_variables(tasks[1.0])
    for omega, task in tasks.items():
        loss = jax.jit(task.loss)
        losses[omega] = np.array([loss(variables, batch, jax.random.key(k))[0][0] for k in range(8)])

    @jax.jit
    def of_all_logits(variables):
        logits, num_frames = train_outputs(tasks[1.0], variables, batch)
        args = num_frames, batch.labels, batch.num_labels
        both = tdt_loss(logits, *args, blank_id=V, durations=(0, 1, 2))
        return rnnt_loss(logits[..., : V + 1], *args, blank_id=V)[0], both[0]

    tokens, both = of_all_logits(variables)
    np.testing.assert_allclose(losses[1.0], tokens, rtol=1e-5)
    assert (np.isclose(losses[0.5], both) ^ np.isclose(losses[0.5], tokens)).all()
    assert 0 < np.isclose(losses[0.5], both).sum() < 8


@pytest.fixture(scope="module")
def hybrid():
    settings = config("tdt", task="hybrid", ctc_weight=0.25)
    task = build(settings)
    return settings, task, task_variables(task), jax.jit(task.loss)


def test_hybrid_loss_is_the_weighted_sum(hybrid):
    _, task, variables, loss = hybrid
    batch, key = make_batch(), jax.random.key(1)

    @jax.jit
    def parts(variables):
        inputs, found = train_outputs(task, variables, batch)
        transducer = transducer_losses(task.model, inputs, found.num_frames, batch, key)
        ctc = ctc_loss(found.head.logits, found.num_frames, batch.labels, batch.num_labels, blank_id=V)
        return 0.75 * transducer + 0.25 * ctc

    losses, _ = loss(variables, batch, key)
    np.testing.assert_allclose(losses[:3], parts(variables)[:3], rtol=1e-5)


def test_hybrid_learns_from_rows_infeasible_for_ctc(hybrid):
    _, _, variables, loss = hybrid
    batch = make_batch()
    # Two frames and five labels: a transducer can emit several labels in one frame.
    batch = batch._replace(num_samples=np.array([2400, 9000, 8000, 0], np.int32))
    losses, _ = loss(variables, batch, jax.random.key(1))
    assert np.isfinite(losses[:3]).all()


def test_a_row_without_frames_is_infeasible_at_any_weight(hybrid):
    settings, _, variables, _ = hybrid
    for weight in (0.0, 1.0):
        task = build(settings | {"ctc_weight": weight})
        losses, _ = jax.jit(task.loss)(variables, make_batch(), jax.random.key(1))
        assert np.isfinite(losses[:3]).all() and losses[3] == np.inf


def test_either_head_can_decode(hybrid):
    settings, task, variables, _ = hybrid
    by_ctc = build(with_search(settings, head="ctc"))
    batch = make_batch()
    tokens = jax.jit(by_ctc.predict)(variables, batch)
    log_probs, num_frames = jax.jit(log_probs_of(by_ctc))(variables, batch)
    best = np.argmax(log_probs[0, : num_frames[0]], -1)
    merged = [k for k, previous in zip(best, [-1, *best], strict=False) if k not in (previous, V)]
    assert np.asarray(tokens.ids[0, : tokens.num_tokens[0]]).tolist() == merged
    other = jax.jit(task.predict)(variables, batch)
    assert not np.array_equal(other.num_tokens, tokens.num_tokens) or not np.array_equal(other.ids, tokens.ids)


def test_the_ctc_head_of_a_hybrid_can_have_a_beam(hybrid):
    settings, _, variables, _ = hybrid
    task = build(with_search(settings, head="ctc", beam_size=3, length_bonus=0.5))
    assert task.model.search.length_bonus == 0.5 and task.inference.incremental is None
    tokens = jax.jit(task.predict)(variables, make_batch())
    assert np.isfinite(tokens.score).all() and (tokens.num_tokens[:3] > 0).all() and tokens.num_tokens[3] == 0


def test_an_unavailable_search_is_refused_in_one_line(hybrid):
    settings, *_ = hybrid
    for model, options, message in [
        (settings, {"head": "rnnt"}, "transducer"),
        (config("rnnt"), {"head": "ctc"}, "only a hybrid"),
        ({"task": "speaker"}, {"beam_size": 4}, "a model of the task speaker has no search"),
        (config("rnnt"), {"length_bonus": 1.0}, "only the beam search of CTC"),
        (settings, {"beam_size": 0}, "at least 1"),
        (settings, {"search": {"candidate": 3}}, "search: 'candidate'; did you mean \"candidates\""),
        ({"task": "speaker"}, {"search": {"candidates": 3}}, "search: 'candidates'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            with_search(model, **options)
    assert with_search(settings) == settings
    wide = with_search(settings, beam_size=2, search={"candidates": 3})
    assert wide["search"] | {"beam_size": 2, "candidates": 3} == wide["search"]


def test_a_beam_of_one_equals_greedy_and_a_wider_beam_runs(kind):
    variables, batch = kind.variables, make_batch()
    greedy, (beam, one) = (
        jax.jit(kind.task.predict)(variables, batch),
        (jax.jit(build(with_search(config(kind.name), beam_size=k)).predict)(variables, batch) for k in (4, 1)),
    )
    np.testing.assert_array_equal(one.ids, greedy.ids)
    assert np.isfinite(beam.score).all() and (beam.num_tokens[:3] >= 0).all() and beam.num_tokens[3] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": {"name": "ctc", "vocab_size": V}}, "model.decoder.name cannot be 'ctc'; known are transducer"),
        ({"loss": {"fastemitt": 0.1}}, "model.loss.fastemitt is not a field.*fastemit"),
        ({"search": {"head": "ctc"}}, "model.search.head is not a field"),
        ({"ctc_weight": 0.3}, "model.ctc_weight is not a field"),
        ({"search": {"beam_size": 0}}, "model.search: .*at least 1"),
    ],
)
def test_a_wrong_configuration_is_one_line(change, message):
    with pytest.raises(ConfigError, match=message):
        jax.eval_shape(build(config("rnnt") | change).init, jax.random.key(0))


def test_a_wrong_choice_is_one_line():
    """Runs in a process without the tests' type checker, which would raise first."""
    wrong = [config("rnnt", decoder=DECODER | change) for change in ({"prediction": "lstn"}, {"activation": "gelu"})]
    program = (
        "import jax; from jaxspeech.builder import build; from jaxspeech.errors import ConfigError\n"
        f"for model in {wrong!r}:\n"
        "    try: jax.eval_shape(build(model).init, jax.random.key(0))\n"
        "    except ConfigError as error: print(error)\n"
    )
    first, second = on_eight_devices(program).splitlines()
    assert first == "decoder.prediction 'lstn'; did you mean \"lstm\"?"
    assert second == "decoder.activation 'gelu'; did you mean \"relu\"?"
