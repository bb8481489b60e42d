"""Properties of every task: the package's own, and three toys registered in the tables like a new task."""

import json
import shutil
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from jaxspeech import train
from jaxspeech.archive import load_archive, save_archive
from jaxspeech.assets import same_assets
from jaxspeech.builder import TASKS, build
from jaxspeech.jobs import JOBS
from jaxspeech.tasks import kinds
from tests.contract.cases import (
    NAMES,
    OF_LABELS,
    RECOGNITION,
    Prepared,
    losses_of,
    prepare,
    recipe,
    spoiled,
    toys_in_the_tables,
)
from tests.eight_devices import on_eight_devices
from tests.tone_runs import train_here


@pytest.fixture(scope="module", autouse=True)
def _toys() -> Iterator[None]:
    with toys_in_the_tables():
        yield


@pytest.fixture(scope="module", params=NAMES)
def prepared(request, tones, tmp_path_factory) -> Prepared:
    return prepare(request.param, tones, tmp_path_factory.mktemp(request.param))


def close(ours, theirs, *, rtol=1e-4):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5), ours, theirs)


def same_results(ours, theirs):
    """Asserts that texts and classes are equal, and numbers close."""
    assert len(ours) == len(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if isinstance(a, str):
            assert a == b
        else:
            close(a, b)


def test_every_task_of_the_package_is_tried():
    tried = {*RECOGNITION, *OF_LABELS, "attention", "enhancement", "language_model", "multitalker", "sortformer"}
    # What is promised of generative models and of voices is tried in tests/tasks/test_generative_enhancement.py and
    # test_voice_training.py.
    tried |= {"codec", "contrastive", "hybrid_text", "pretrain", "speaker", "speech", "speech_lm", "vocoder"}
    tried |= {"generative_enhancement", "voice"}
    assert tried == {name for name in JOBS if not name.startswith("toy_")}
    assert {*JOBS} <= {*TASKS}


def test_the_task_keeps_the_contract(prepared):
    task, rows = prepared.task, prepared.batch.index.shape
    assert task.batch is type(prepared.batch) and "index" in task.batch._fields
    assert isinstance(task.inference, tuple(kind for kind in vars(kinds).values() if hasattr(kind, "_fields")))
    assert task.seconds(prepared.batch).shape == rows
    for phase in task.phases:
        found, updates = jax.jit(phase.loss).eval_shape(prepared.variables, prepared.batch, jax.random.key(7))
        for values in (found.losses, found.weights, *found.logged.values()):
            assert values.shape == rows and values.dtype == np.float32
        assert "params" not in updates
    assert len({phase.name for phase in task.phases}) == len(task.phases)


@pytest.mark.parametrize("prepared", ["toy_clips"], indirect=True)
def test_the_loss_of_a_task_is_that_of_its_only_phase(prepared):
    losses, _ = jax.jit(prepared.task.loss)(prepared.variables, prepared.batch, jax.random.key(7))
    np.testing.assert_array_equal(losses, losses_of(prepared.task, prepared.variables, prepared.batch)[0])


def test_padding_holds_anything(prepared):
    bad = spoiled(prepared.batch)
    close(
        losses_of(prepared.task, prepared.variables, bad), losses_of(prepared.task, prepared.variables, prepared.batch)
    )
    same_results(prepared.results(bad), prepared.results(prepared.batch))


# Op by op these take longer than to be compiled. The hybrid has the heads of a transducer and of a CTC model, that of
# speakers the pooling of a classifier; a toy has texts, another one two phases.
COMPILED = [
    "classification",
    "codec",
    "contrastive",
    "ctc",
    "hybrid_text",
    "language_model",
    "speech",
    "speech_lm",
    "transducer",
    "vocoder",
]


@pytest.mark.parametrize("prepared", COMPILED, indirect=True)
def test_a_batch_of_one_equals_a_batch_of_many(prepared):
    whole, losses = prepared.results(prepared.batch), losses_of(prepared.task, prepared.variables, prepared.batch)
    for row in (0, 5):
        one = jax.tree.map(lambda x, row=row: x[row : row + 1], prepared.batch)
        same_results(prepared.results(one), whole[row : row + 1])
        close(losses_of(prepared.task, prepared.variables, one), [x[row : row + 1] for x in losses])


@pytest.mark.parametrize("prepared", [x for x in NAMES if x not in COMPILED], indirect=True)
def test_a_batch_of_one_op_by_op_equals_a_compiled_batch_of_many(prepared):
    one = jax.tree.map(lambda x: x[5:6], prepared.batch)
    losses = [phase.loss(prepared.variables, one, jax.random.key(7))[0].losses for phase in prepared.task.phases]
    close(losses, [x[5:6] for x in losses_of(prepared.task, prepared.variables, prepared.batch)])
    predicted = jax.device_get(prepared.task.predict(prepared.variables, one))
    same_results(prepared.evaluation.collect(predicted, jax.device_get(one)), prepared.results(prepared.batch)[5:6])


def test_an_archive_gives_the_same_bits(prepared, tmp_path):
    path = tmp_path / "model.jaxspeech"
    variables = jax.device_get(prepared.task.used(prepared.variables))  # enough for predictions
    save_archive(path, model=prepared.model, assets=prepared.assets, variables=variables)
    loaded = load_archive(path)
    assert same_assets(loaded.assets, prepared.assets) == ""
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, variables)
    again = build(loaded.model)
    # Equal models with equal variables give equal results. What holds tasks, which are never equal, or needs fewer
    # variables for predictions, is run.
    whole = jax.tree.structure(variables) == jax.tree.structure(prepared.variables)
    if again.model != prepared.task.model or not whole:
        found = prepared._replace(task=again).results(prepared.batch, loaded.variables)
        assert found == prepared.results(prepared.batch)


# The hybrid's run trains the heads of a transducer and of a CTC model, and a toy has classes.
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in [
        *("attention", "codec", "contrastive", "enhancement", "pretrain", "sortformer", "speaker", "speech"),
        *("speech_lm", "vocoder"),
    ]
]


@pytest.mark.parametrize("name", ["hybrid", "language_model", *SLOW, *(x for x in NAMES if x.startswith("toy_"))])
def test_three_steps_and_a_resumed_run_end_with_the_same_bits(tones, tmp_path, name):
    config = recipe(name, tones)
    config.keep.last = 3
    out = train_here(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    shutil.rmtree(tmp_path / "parts" / "checkpoints" / "3")  # as if it had been killed after step 2
    resumed = train_here(config, tmp_path / "parts")
    assert any("resuming after step 2" in line for line in resumed.splitlines()[:2])
    whole, parts = (load_archive(tmp_path / part / "last.jaxspeech") for part in ("whole", "parts"))
    jax.tree.map(np.testing.assert_array_equal, whole.variables, parts.variables)

    # The output for users: named scores, in words, in the report and in the logs.
    score, *_ = whole.metadata["scores"]["dev"]
    assert whole.metadata["evaluation"]["dev"]["scores"] == whole.metadata["scores"]["dev"]
    assert out.splitlines()[-1].startswith("Done: ") and " on dev, " in out.splitlines()[-1]
    assert "<h2>dev</h2>" in (tmp_path / "whole" / "report.html").read_text()
    history = [json.loads(line) for line in (tmp_path / "whole" / "history.jsonl").read_text().splitlines()]
    assert any(f"{score}/dev" in entry for entry in history)
    used = load_archive(tmp_path / "whole" / "model.jaxspeech").variables
    assert jax.tree.structure(used) == jax.tree.structure(build(whole.model).used(whole.variables))


def test_a_model_without_what_only_training_needs_is_trained_again(tones, tmp_path):
    config = recipe("toy_adversarial", tones)
    config.steps = config.eval_every = 1
    train_here(config, tmp_path / "first")
    for name, new in (("model", "; not in it, and new: discriminator"), ("last", "")):
        config.init_from = str(tmp_path / "first" / f"{name}.jaxspeech")
        start = train_here(config, tmp_path / name).splitlines()[0]
        assert start.startswith("Starting from") and start.endswith(f" arrays{new}")
        assert "discriminator" in load_archive(tmp_path / name / "last.jaxspeech").variables["params"]


def test_micro_batches_on_eight_devices_give_the_same_loss(tones, tmp_path):
    program = f"from tests.contract.losses_on_devices import main; main({str(tones)!r}, {str(tmp_path)!r})"
    for name, found in json.loads(on_eight_devices(program).splitlines()[-1]).items():
        np.testing.assert_allclose(found["all"], found["one"], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(("choose", "accuracy", "step"), [("best", "75.0%", 1), ("last", "25.0%", 2)])
def test_the_first_score_chooses_in_its_own_direction(tones, tmp_path, monkeypatch, choose, accuracy, step):
    """With an accuracy, the higher score is better; the last model can be chosen though it is worse."""
    values, evaluate = iter([0.75, 0.25]), train.evaluate

    def with_accuracy(*args, **options):
        return {"dev": {"accuracy": next(values)}}, evaluate(*args, **options)[1]

    monkeypatch.setattr(train, "evaluate", with_accuracy)
    config = recipe("toy_clips", tones)
    config.steps, config.eval_every, config.choose = 2, 1, choose
    assert f"Done: accuracy {accuracy} on dev" in train_here(config, tmp_path)
    assert load_archive(tmp_path / "model.jaxspeech").metadata["step"] == step
    assert load_archive(tmp_path / "last.jaxspeech").metadata["step"] == 2
