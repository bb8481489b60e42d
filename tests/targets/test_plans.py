"""Plans: how long a recording fits, which changes are compared, and jaxspeech transcribe --dry_run."""

import pytest

from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from jaxspeech.targets.hardware import HARDWARE, of_kind
from jaxspeech.targets.longest_audio import solve
from jaxspeech.targets.variants import variants
from tests.pipelines.tiny_recognizer import tiny_archive


@pytest.mark.parametrize(("linear", "square"), [(3.0, 0.0), (2.0, 0.5), (0.0, 4.0)])
def test_a_length_follows_from_what_two_lengths_need(linear, square):
    def need(seconds):
        return linear * seconds + square * seconds**2

    assert solve((300.0, 600.0), [need(300.0), need(600.0)], need(12345.0)) == pytest.approx(12345.0)


def test_variants_change_one_choice_each():
    model = {"encoder": {"remat": "dots", "dtype": "float32"}, "decoder": {"dtype": "float32"}}
    settings = {"sharding": "replicated", "model": model}
    half = {"model.encoder.dtype": "bfloat16", "model.decoder.dtype": "bfloat16"}
    remats = [{"model.encoder.remat": "none"}, {"model.encoder.remat": "full"}]
    assert list(variants(settings, devices=8)) == [{"sharding": "fsdp"}, *remats, half]
    assert list(variants(settings, devices=1)) == [*remats, half]
    assert list(variants({"sharding": "fsdp", "model": {"encoder": {}}}, devices=1)) == []


def test_hardware_that_is_here():
    assert of_kind("NVIDIA H200", "gpu", 1e9) == HARDWARE["h200"]._replace(memory=1e9)
    assert of_kind("TPU v5 lite", "tpu", 1e9).name == "TPU v5e"
    assert not of_kind("cpu", "cpu", 1e9).has_speed


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.jaxspeech"
    archive = tiny_archive()
    save_archive(path, **archive._asdict())
    return path


def test_a_dry_run_on_the_devices_that_are_here(model, capsys, monkeypatch):
    monkeypatch.setenv("JAXSPEECH_CACHE", "off")
    assert main(["transcribe", f"--model={model}", "--dry_run", "--batch_size=4", "--seconds=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("this: cpu, ") and "weights" in lines[0]
    assert lines[2].split()[:4] == ["4", "x", "2", "s"]
    assert "fits; about" in lines[3] and "no time is predicted" in lines[4]
    assert lines[5].startswith("The longest recording that fits in one pass: about ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target=h200", "a.wav"], "--target only plans: add --dry_run"),
        (["--seconds=5", "a.wav"], "--seconds only plans: add --dry_run"),
        (["--dry_run", "a.wav"], "leave out AUDIO"),
        (["--dry_run", "--stream"], "leave out --stream"),
        (["--dry_run", "--target=h201"], 'did you mean "h200"?'),
    ],
    ids=["target", "seconds", "audio", "stream", "unknown"],
)
def test_mistakes_are_one_line(arguments, said, capsys):
    assert main(["transcribe", "--model=none.jaxspeech", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
