"""train.py as users run it: completed, killed, interrupted, resumed, and with wrong settings."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxspeech
from jaxspeech import train
from jaxspeech.archive import load_archive
from jaxspeech.cli.main import main
from jaxspeech.errors import SpeechError
from tests.tiny_recipe import get_config
from tests.tone_runs import ROOT, start, train_here, wait_for_checkpoint


@pytest.fixture(scope="module")
def uninterrupted(tones, tmp_path_factory):
    """The workdir of a run without interruptions, and what was printed."""
    workdir = tmp_path_factory.mktemp("uninterrupted")
    return workdir, train_here(get_config(str(tones)), workdir)


def test_a_run_ends_with_models_and_a_clear_last_line(uninterrupted):
    workdir, out = uninterrupted
    first, *rest = out.splitlines()
    assert "4 tokens" in first and "24 steps" in first
    assert [line for line in rest if line.startswith("step 12: loss ") and "WER" in line and "on dev" in line]
    assert sum(line.startswith("  said:  ") for line in rest) == 4  # two samples in each of two evaluations
    assert rest[-1].startswith("Done: WER ") and f"{workdir}/model.jaxspeech (step " in rest[-1]
    archive = load_archive(workdir / "model.jaxspeech")
    assert archive.model["decoder"]["vocab_size"] == 4 and archive.assets["tokenizer"].decode([1]) == "a"
    assert load_archive(workdir / "last.jaxspeech").metadata["step"] == 24
    assert list((workdir / "tensorboard").iterdir()) and (workdir / "config.json").exists()
    page = (workdir / "report.html").read_text()
    assert "<h2>dev</h2>" in page and "6 utterances" in page and "data:audio/flac" in page
    steps = [json.loads(line)["step"] for line in (workdir / "history.jsonl").read_text().splitlines()]
    assert steps == [3, 6, 9, 12, 12, 15, 18, 21, 24, 24]


def assert_same_bits(workdir, uninterrupted):
    """Compares the last model and the best one, and their metadata with steps and word error rates."""
    for name in ("last.jaxspeech", "model.jaxspeech"):
        ours, theirs = (load_archive(folder / name) for folder in (workdir, uninterrupted[0]))
        jax.tree.map(np.testing.assert_array_equal, ours.variables, theirs.variables)
        assert ours.metadata == theirs.metadata


def test_a_killed_preempted_and_damaged_run_resumes_and_ends_with_the_same_bits(tones, uninterrupted, tmp_path):
    process = start(tones, tmp_path)
    wait_for_checkpoint(process, tmp_path, 4)
    time.sleep(0.3 * random.random())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "last.jaxspeech").exists()

    process = start(tones, tmp_path)
    wait_for_checkpoint(process, tmp_path, 12)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 75, err
    assert "Stopping after this step" in err and "Traceback" not in err
    stopped = out.splitlines()[-1]
    assert stopped.startswith("Stopped after step ") and f"--workdir={tmp_path}" in stopped
    assert "To resume: python train.py" in stopped

    last = int(stopped.split()[3])
    for file in (tmp_path / "checkpoints" / str(last)).rglob("ocdbt.process_0/d/*"):
        os.truncate(file, file.stat().st_size // 2)
    out = train_here(get_config(str(tones)), tmp_path)
    (report,) = [line for line in out.splitlines() if "cannot be read" in line]
    before = int(report.split()[-1])
    assert f"set aside as {last}.damaged; going back to step {before}" in report and before < last
    assert f"resuming after step {before}\n" in out
    assert_same_bits(tmp_path, uninterrupted)


@pytest.mark.slow
def test_a_run_whose_gradients_stay_infinite_stops_and_names_the_utterances(tones, tmp_path):
    config = get_config(str(tones))
    config.optimizer.learning_rate, config.max_skipped = 1e30, 3
    with pytest.raises(SpeechError, match=r"3 batches in a row .*skipped\.jsonl"):
        train.train(config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert len(lines) == 3 and all(Path(name).exists() for line in lines for name in line["utterances"])


@pytest.mark.slow
def test_killed_ten_times_at_any_moment_it_ends_with_the_same_bits(tones, uninterrupted, tmp_path):
    """Killed while it starts, trains, saves or ends; JAXSPEECH_KILL_SEED repeats the times."""
    seed = int(os.environ.get("JAXSPEECH_KILL_SEED", random.randrange(1000)))
    print(f"JAXSPEECH_KILL_SEED={seed}")
    rng = random.Random(seed)
    began = time.perf_counter()
    process = start(tones, tmp_path / "whole")
    process.communicate()
    whole = time.perf_counter() - began
    for _ in range(10):
        process = start(tones, tmp_path / "killed")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.3, 1.0) * whole)
        process.kill()
        process.communicate()
        assert not list((tmp_path / "killed").glob("**/*.damaged"))
    process = start(tones, tmp_path / "killed")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert_same_bits(tmp_path / "killed", uninterrupted)


def test_a_finished_run_says_so_again(tones, uninterrupted):
    workdir, out = uninterrupted
    again = train_here(get_config(str(tones)), workdir).splitlines()
    assert len(again) == 2 and again[-1] == out.splitlines()[-1]


def test_a_missing_report_is_written_when_the_run_is_started_again(tones, uninterrupted):
    """A run can be killed after its last checkpoint and before its report."""
    page = uninterrupted[0] / "report.html"
    before = page.read_text()
    page.unlink()
    train_here(get_config(str(tones)), uninterrupted[0])
    assert page.read_text() == before


def test_a_run_of_a_different_model_is_not_resumed(tones, uninterrupted):
    config = get_config(str(tones))
    config.model.encoder.conv_kernel = 5
    with pytest.raises(SpeechError, match="conv_kernel was 9, is now 5"):
        train.train(config, uninterrupted[0])


ENCODERS = {
    "jasper": {
        "blocks": (
            {"filters": 16, "kernel": 5, "stride": 4, "separable": True, "squeeze_excite": True},
            {"filters": 16, "kernel": 5, "stride": 2, "residual": True, "residual_dense": True, "dropout": 0.1},
        ),
    },
    "lstm": {"num_layers": 1, "width": 8, "cell_width": 12},
    "squeezeformer": {"num_layers": 2, "width": 16, "num_heads": 2, "reduce_at": 0, "conv_kernel": 3},
    "transformer": {"num_layers": 1, "width": 16, "num_heads": 2},
}


# One of them is always tested; the others take a minute together.
@pytest.mark.parametrize(
    "name", [name if name == "jasper" else pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS]
)
def test_every_other_encoder_trains_and_transcribes(tones, tmp_path, name):
    config = get_config(str(tones))
    config.model.encoder = {"name": name, **ENCODERS[name]}
    config.steps = config.eval_every = config.checkpoint_every = 2
    train_here(config, tmp_path)
    asr = jaxspeech.load(tmp_path / "model.jaxspeech")
    assert np.isfinite(asr.transcribe(str(tones / "dev0.wav"), return_log_probs=True)[0].log_probs).all()
    # Saved and read again, the model has the same configuration.
    asr.save(tmp_path / "again.jaxspeech")
    assert jaxspeech.load(tmp_path / "again.jaxspeech").model == asr.model


@pytest.mark.slow
def test_a_dry_run_finds_the_largest_batches_and_runs_none(tones, tmp_path, capsys):
    config = get_config(str(tones))
    config.data.batch_seconds = 0.0
    config.data.batch_size = 6
    assert train.train(config, tmp_path, dry_run=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data.batch_seconds = ") and lines[-1].endswith("a device: fits")
    assert lines[1].split()[:2] == ["6", "x"]  # limited by the recipe's batch_size, not by memory
    assert not (tmp_path / "history.jsonl").exists() and not (tmp_path / "model.jaxspeech").exists()


def test_an_unknown_choice_is_refused(tones, tmp_path):
    config = get_config(str(tones))
    config.choose = "newest"
    with pytest.raises(SpeechError, match="choose is 'newest'; it must be best or last"):
        train.train(config, tmp_path)


def test_an_unknown_corpus_is_named(tones, tmp_path):
    config = get_config(str(tones))
    config.data.prepare = "quickstat"
    with pytest.raises(SpeechError, match='did you mean "quickstart"'):
        train.train(config, tmp_path)


def test_a_field_added_to_the_recipe_later_does_not_make_it_a_different_model(tones, tmp_path):
    now = get_config(str(tones)).to_dict()
    before = now | {
        "model": now["model"] | {"encoder": {k: v for k, v in now["model"]["encoder"].items() if k != "remat"}}
    }
    check = {"settings": now, "fixed": ("model",), "workdir": tmp_path}
    train.check_resumed({"config": before}, **check)
    before["model"]["encoder"]["remat"] = "none"
    with pytest.raises(SpeechError, match=r"model\.encoder\.remat was none, is now dots"):
        train.check_resumed({"config": before}, **check)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.optimizer.learnin_rate=1", "no field 'learnin_rate'; did you mean \"learning_rate\""),
        ("--config.modl.encoder.width=1", "no field 'modl'; did you mean \"model\"?"),
        ("--config.steps.foo=1", "no field 'steps.foo'\n"),
        ("--config.data.train.0=x", "no field 'data.train.0'\n"),
        ("--config.data.eval.mine=x", "no field 'mine'\n"),
        ("--config.steps=many", "--config.steps=many"),
        ("--config.accumulate=0", "accumulate is 0"),
        ("--config.data.seed=-1", "data.seed is -1"),
        ("--config.data.buckets=abc", "data.buckets is 'abc'"),
        ("--config.data.buckets=(0.5,)", "the last of [0.5] is shorter"),
        ("--config.sharding=fsdpp", 'did you mean "fsdp"'),
        ("--config.sharding=(('kernel$',),)", "a table holds pairs"),
        ("--config.sharding=(('kernel$', ('modle',)),)", 'no axis "modle"'),
        ("--config.mesh.model=0", "mesh: model is 0"),
        ("--confg=x.py", "unknown option --confg; did you mean --config?"),
        ("--config=nowhere.py", "nowhere.py"),
        ("--config.data.train=missing.jsonl", "missing.jsonl: no such manifest"),
        ("steps=3", "unexpected argument steps=3"),
    ],
)
def test_a_wrong_setting_is_one_line(tones, tmp_path, capsys, override, message):
    recipe = f"--config={ROOT}/tests/tiny_recipe.py:{tones}"
    arguments = [recipe, f"--workdir={tmp_path}", override]
    assert main(arguments, verb="train", prog="train.py") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err and err.startswith("train.py: ") and err.count("\n") == 1


def test_a_wrong_setting_of_the_default_recipe_is_one_line(capsys):
    assert main(["--config.stepz=3"], verb="train", prog="train.py") == 2
    assert capsys.readouterr().err == "train.py: the config has no field 'stepz'; did you mean \"steps\"?\n"
