"""Tests the job of diarization models: what is reported before the first step, its settings, and the warm start."""

import json

import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.jobs.sortformer import SORTFORMER, look_at_turns, session_settings
from jaxspeech.run_start import warm_start
from jaxspeech.text.char import CharTokenizer
from tests.contract.cases import MODELS
from tests.interop.random_model import random_archive, random_variables

FULL = [[0.0, 2.0, "a"], [1.0, 4.0, "b"], [3.0, 6.0, "c"]]


@pytest.fixture
def look(tmp_path):
    def look(*turns, train=True):
        lines = [{"audio_filepath": f"{i}.wav", "duration": 6.0, "turns": given} for i, given in enumerate(turns)]
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        manifest = Manifest(tmp_path / "m.jsonl", problems=Problems(name="data.train", report=lambda line: None))
        reported = []
        look_at_turns(manifest, most_speakers=2, frame_seconds=0.08, train=train, report=reported.append)
        return reported

    return look


def test_speakers_without_a_column_are_counted(look):
    assert look(FULL[:2], FULL[:1]) == []
    assert look(FULL[:2], FULL, [*FULL, [5.0, 6.0, "d"]], None) == [
        "data.train: 2 of 3 examples have more than 2 speakers; the 3 who speak last there are left out"
    ]


def test_nobody_to_learn_from(look):
    with pytest.raises(
        ManifestError, match=r"^data.train: nobody speaks in any of 2 examples, so that there is nothing"
    ):
        look([], [[7.0, 8.0, "a"]])
    assert look([], train=False) == []


def test_settings_of_sessions():
    assert session_settings({}).seconds == 90.0
    assert session_settings({"sessions": {"seconds": 30, "soft_targets": True}}) == (30, True, 0.25)
    for sessions, message in (
        ({"second": 30}, 'sessions.second is not a field; did you mean "seconds"'),
        ({"seconds": 0}, "sessions.seconds is 0"),
        ({"collar": -1}, "sessions.collar -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            session_settings({"sessions": sessions})


def start_from(capsys, source, *, include=(), **features):
    """The arrays that a Sortformer takes from a model, and what is printed."""
    model = MODELS["sortformer"]
    model = model | {"features": model["features"] | features}
    options = {"include": include, "exclude": ()}
    settings = {"init_from": "a.jaxspeech", "init": options, "seed": 0, "model": model}
    return warm_start(SORTFORMER, source, {}, build(model), settings), capsys.readouterr().out


def test_a_recogniser_gives_its_encoder(capsys):
    source = random_archive(MODELS["ctc"], CharTokenizer("ab "))
    warm, printed = start_from(capsys, source, num_mels=16, preemphasis=0.5)
    assert warm.start.arrays and {path.split("/")[1] for path in warm.start.arrays} == {"encoder"}
    assert not warm.exact
    assert printed.splitlines() == [
        f"Starting from a.jaxspeech: {len(warm.start.arrays)} arrays, those of the encoder of a model of the task "
        "'ctc'; configured differently: features.preemphasis 0.5 here, 0.97 there; from scratch: decoder; "
        "not used: decoder/out/bias, decoder/out/kernel"
    ]
    with pytest.raises(ConfigError, match=r"a.jaxspeech does not fit: encoder/subsampling"):
        start_from(capsys, source, num_mels=20)


def test_a_sortformer_is_taken_as_a_whole(capsys):
    source = Archive(MODELS["sortformer"], {}, random_variables(MODELS["sortformer"]), {})
    warm, printed = start_from(capsys, source)
    assert warm.exact and not warm.start.unused
    assert printed == f"Starting from a.jaxspeech: {len(warm.start.arrays)} arrays\n"
    some, _ = start_from(capsys, source, include=("decoder/out",))
    assert len(some.start.arrays) == 2
