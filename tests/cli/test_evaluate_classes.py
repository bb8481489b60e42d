"""jaxspeech evaluate for models of classes, of frames and of speakers: their scores, and mistakes in one line."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech import loading
from jaxspeech.archive import Archive, save_archive
from jaxspeech.cli.main import main
from jaxspeech.text.classes import Classes
from tests.interop.random_model import random_variables
from tests.pipelines.frame_model import MODEL as FRAMES
from tests.pipelines.speaker_model import RATE, speaker_archive
from tests.pipelines.tiny_recognizer import chirps
from tests.surgery.test_classes import MODEL as CLIPS

NAMES = ("a", "b", "c", "d")
ARCHIVES = {
    "clips": Archive(CLIPS, {"classes": Classes(["no", "yes"])}, random_variables(CLIPS, seed=2), {}),
    "frames": Archive(FRAMES, {"classes": Classes(["background", "speech"])}, random_variables(FRAMES), {}),
    "speakers": speaker_archive(),
}


@pytest.fixture(scope="module", autouse=True)
def _each_model_once():
    """Loads each model once, and compiles its programs once."""
    once, load = {}, loading.load_any

    def load_any(path, **options):
        key = path, options["beam_size"]
        return once[key] if key in once else once.setdefault(key, load(path, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load_any", load_any)
        yield


def model_of(folder, name):
    return loading.load_any(f"{folder}/{name}.jaxspeech", dtype=None, beam_size=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    for name, archive in ARCHIVES.items():
        save_archive(folder / f"{name}.jaxspeech", **archive._asdict())
    for i, name in enumerate(NAMES):
        soundfile.write(folder / f"{name}.wav", chirps(i, 1.6 + i / 10), RATE, subtype="FLOAT")
    return folder


def evaluate(folder, model, lines, *options):
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return main(["evaluate", f"--model={folder}/{model}.jaxspeech", f"--manifest={path}", *options])


def lines_of(**values):
    return [
        {"audio_filepath": f"{name}.wav"} | {key: value[i] for key, value in values.items()}
        for i, name in enumerate(NAMES)
    ]


def test_accuracy_of_classes(folder, capsys):
    classifier = model_of(folder, "clips")
    found = [classifier.classify(folder / f"{name}.wav")[0].top[0][0] for name in NAMES]
    # Three are right, and one is of a class that the model does not have.
    lines = [*lines_of(label=[*found[:3], "maybe"]), {"audio_filepath": "none.wav", "label": "no"}]
    assert evaluate(folder, "clips", lines, f"--output={folder}/out.jsonl") == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{folder}/in.jsonl: accuracy 75.0%, macro F1 ")
    assert out.endswith(" of 4 recordings; the model lacks 'maybe'\n") and "5 files, 1 skipped" in err
    written = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [line["pred_label"] for line in written] == found and written[3]["label"] == "maybe"


def test_accuracy_of_frames(folder, capsys):
    """One label for each two frames: the second half of each recording is labelled as speech."""
    classifier = model_of(folder, "frames")
    found = [classifier.classify(folder / f"{name}.wav")[0].probabilities.argmax(-1) for name in NAMES]
    half = [len(x) // 4 for x in found]
    labels = [[0] * n + [1] * (-(-len(x) // 2) - n) for n, x in zip(half, found, strict=True)]
    truth = [np.repeat(label, 2)[: len(x)] for label, x in zip(labels, found, strict=True)]
    right = np.mean(np.concatenate(truth) == np.concatenate(found))
    missed = np.sum(np.concatenate(truth) != np.concatenate(found)) / np.sum(np.concatenate(truth))
    lines = lines_of(marks=[" ".join(map(str, label)) for label in labels])
    assert evaluate(folder, "frames", lines, "--field=marks") == 0
    out = capsys.readouterr().out
    assert f"in.jsonl: accuracy {right:.1%}, macro F1 " in out and f"DetER {missed:.1%} of 4 recordings\n" in out


def test_equal_error_rate_of_speakers(folder, capsys):
    embedder = model_of(folder, "speakers")
    vectors = np.stack([embedder.embed(folder / f"{name}.wav")[0].vector for name in NAMES])
    cosines = vectors @ vectors.T / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors, axis=1)[:, None]
    np.fill_diagonal(cosines, -2)
    # The two nearest recordings are of one speaker, all others of one each.
    pair = np.unravel_index(cosines.argmax(), cosines.shape)
    speakers = ["same" if i in pair else f"speaker {i}" for i in range(4)]
    assert evaluate(folder, "speakers", lines_of(speaker=speakers), "--field=speaker") == 0
    assert capsys.readouterr().out == f"{folder}/in.jsonl: EER 0.00%, minDCF 0.000 of 4 recordings\n"


MISTAKES = {
    "no labels": ("clips", lines_of(), (), 'in.jsonl: no line has a class in "label"; --field=NAME'),
    "other classes": (
        "clips",
        lines_of(label="xyxy"),
        (),
        "in.jsonl: \"label\" has 'x', 'y', but the classes of the model are 'no', 'yes'",
    ),
    "no frames": ("frames", lines_of(), (), 'in.jsonl: no line has labels of frames in "label"'),
    "one speaker": ("speakers", lines_of(label="aaaa"), (), '"label" does not name two speakers, one of them twice'),
    "no pair": ("speakers", lines_of(label="abcd"), (), '"label" does not name two speakers, one of them twice'),
    "an option of recognisers": ("clips", lines_of(label="abcd"), ("--beam_size=4",), "Classifier has no option"),
    "long": ("clips", lines_of(label="abcd"), ("--long=full",), "--long is for models that transcribe"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(folder, capsys, name):
    model, lines, options, message = MISTAKES[name]
    assert evaluate(folder, model, lines, *options) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_a_label_that_is_no_class_skips_the_recording(folder, capsys):
    lines = lines_of(label=["0 1", "0 x", "1 1", "0 0"])
    assert evaluate(folder, "frames", lines) == 0
    out, err = capsys.readouterr()
    assert "b.wav: label 'x' is not a class of the model" in err and "4 files, 1 skipped" in err
    assert out.endswith(" of 3 recordings\n")
