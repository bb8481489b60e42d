"""One `load` for every kind of model: which class opens it, what it says of a wrong one, and how often it builds."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxspeech
from jaxspeech import builder
from jaxspeech.archive import save_archive
from jaxspeech.errors import ConfigError
from jaxspeech.pipelines.doors import DOORS
from jaxspeech.tasks import kinds
from tests.interop.random_model import CHARACTERS, random_archive
from tests.pipelines.toy_classifier import CLIPS, add_toy_tasks, toy_archive

SMALL = {"num_layers": 1, "width": 16, "num_heads": 2}
CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "subsampling_channels": 4, **SMALL},
    "decoder": {"name": "ctc"},
}


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSPEECH_CACHE", "off")
    add_toy_tasks(monkeypatch)


def saved(path: Path, archive: Any) -> Path:
    save_archive(path, **archive._asdict())
    return path


def message(path: Any, *kind: Any, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        jaxspeech.load(path, *kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_kind_has_its_door() -> None:
    records = {
        value
        for value in vars(kinds).values()
        if hasattr(value, "_fields") and value.__module__.startswith(f"{kinds.__name__}.")
    }
    parts = {kinds.IncrementalSearch, kinds.Prompting, kinds.Attention, kinds.IncrementalVocoding, kinds.Timing}
    assert set(DOORS) == records - parts
    for kind, door in DOORS.items():
        if door.name in jaxspeech.PUBLIC and kind is not kinds.Synthesis:  # a part of what the Synthesizer takes
            assert getattr(jaxspeech, door.name).takes is kind


def test_a_wrong_kind_is_one_line_that_names_the_right_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = saved(tmp_path / "speech.jaxspeech", random_archive(CTC, CHARACTERS))
    assert isinstance(jaxspeech.load(speech), jaxspeech.Recognizer)
    assert isinstance(jaxspeech.load(speech, jaxspeech.Recognizer), jaxspeech.Recognizer)
    expected = f"{speech} is a recognition model: jaxspeech.load(path, jaxspeech.Recognizer)"
    assert message(speech, jaxspeech.Classifier) == expected

    clips = builder.TASKS["toy_clips"]

    def embedding_task(model: Any) -> Any:
        task: Any = clips.task(model)
        return type(task)(**{**vars(task), "inference": kinds.Embedding(16000, 3, task.inference.probs)})

    toys = saved(tmp_path / "toys.jaxspeech", toy_archive(CLIPS))
    assert message(toys) == f"{toys} is a classification model: jaxspeech.load(path, jaxspeech.Classifier)"
    monkeypatch.setitem(builder.TASKS, "toy_clips", clips._replace(task=embedding_task))
    monkeypatch.delitem(jaxspeech.PUBLIC, "Embedder", raising=False)
    assert message(toys) == f"{toys} is an embedding model: this version of jaxspeech has no class for these"


def test_options_of_another_door_and_other_mistakes_are_one_line(tmp_path: Path) -> None:
    toys = saved(tmp_path / "toys.jaxspeech", toy_archive(CLIPS))
    assert message(toys, jaxspeech.Classifier, head="ctc") == "Classifier has no option 'head'; known are dtype"
    assert message(toys, beamsize=4) == "Recognizer has no option 'beamsize'; did you mean \"beam_size\"?"
    assert "it is one of jaxspeech.Recognizer, jaxspeech.MultitalkerRecognizer, " in message(toys, "Classifier")
    assert message(toys, jaxspeech.Classifier, dtype="float61").startswith("dtype 'float61'; did you mean")


@pytest.mark.parametrize(
    ("encoder", "builds"),
    [
        ({"name": "squeezeformer", "subsampling_channels": 4, **SMALL, "reduce_at": None, "recover_at": None}, 1),
        (CTC["encoder"], 2),  # with local attention too
        (CTC["encoder"] | {"attention": "rel_pos_local", "attention_context": (8, 8)}, 1),
        (CTC["encoder"] | {"conv_norm": "group", "conv_groups": 2, "norm_over_padding": True}, 3),
    ],
)
def test_each_form_of_a_model_is_built_once(
    encoder: dict, builds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "model.jaxspeech", random_archive(CTC | {"encoder": encoder}, CHARACTERS))
    kind, built = builder.TASKS["ctc"], []

    def counted(model: Any) -> Any:
        built.append(model)
        return kind.task(model)

    monkeypatch.setitem(builder.TASKS, "ctc", kind._replace(task=counted))
    jaxspeech.load(path)
    assert len(built) == builds == len(set(built))


@pytest.mark.slow
def test_a_type_checker_knows_what_load_gives_and_what_the_options_are(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "import jaxspeech\n"
        'asr = jaxspeech.load("a.nemo", head="ctc")\n'
        'reveal_type(asr)\nreveal_type(jaxspeech.load("a", jaxspeech.Classifier).classify("b")[0].top)\n'
        'asr.transcribe("a", batch_size=2, timestamps=True, progress=True)\n'
        'asr.transcribe("a", batchsize=2)\n'
        'asr.align("a", "b", timestamps=True)\n'
        'asr.transcribe("a", long="locally")\n'
    )
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(tmp_path / "use.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    found = [line.partition("use.py:")[2] for line in done.stdout.splitlines() if "use.py:" in line]
    assert 'Type of "asr" is "Recognizer"' in found[0] and '"list[tuple[str, float]]"' in found[1]
    errors = {line.partition(":")[0]: line for line in found if " error: " in line}
    assert list(errors) == ["6", "7", "8"], done.stdout
    assert "batchsize" in errors["6"] and "timestamps" in errors["7"] and "locally" in errors["8"]
