"""The examples, on a corpus of tones and a tiny random model."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from jaxspeech.archive import save_archive
from jaxspeech.text.char import CharTokenizer
from tests.interop.random_model import random_archive
from tests.tiny_recipe import get_config

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "tiny.jaxspeech"
    save_archive(path, **random_archive(get_config(str(tones)).model.to_dict(), CharTokenizer("abc "))._asdict())
    return str(path)


def test_transcribe_and_align(tones: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    example("transcribe_and_align").main(model, str(tones / "dev0.wav"), "a b")
    out = capsys.readouterr().out
    assert out.startswith(f"{tones / 'dev0.wav'}: ") and "heard: " in out
    words = [line.split() for line in out.partition("given: a b\n")[2].splitlines()]
    assert [word[2] for word in words] == ["a", "b"]
    assert 0 <= float(words[0][0]) <= float(words[0][1]) <= float(words[1][1]) < 2


def test_fine_tune(tones: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifests = [str(tones / "train.jsonl"), str(tones / "dev.jsonl")]
    example("fine_tune").main(model, *manifests, str(tmp_path / "run"), steps=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("Done: WER ") and len(ast.literal_eval(lines[-1])) == 6
    assert (tmp_path / "run" / "report.html").exists()


def test_losses_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Random guesses of V + 1 symbols would cost more than ten nats."""
    assert example("losses_alone").main() < 0.5
    assert capsys.readouterr().out.startswith("step 0: ")


def test_the_examples_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 60, path
