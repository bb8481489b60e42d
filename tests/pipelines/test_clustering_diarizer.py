"""Finds turns with a random speaker model, and with embeddings that are known; as a class, and as the command."""

import functools

import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.turns import speakers_of
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.pipelines.clustering_diarizer import ClusteringDiarizer
from jaxspeech.pipelines.embedder import Embedded, Embedder
from tests.pipelines.speaker_model import RATE, speaker_archive

# Start and end of what each of two speakers says, in seconds: one has a level of 0.1, the other of 0.3.
TRUE = [(0.0, 4.0, 0.1), (4.5, 9.0, 0.3), (9.0, 13.0, 0.1), (14.0, 30.0, 0.3)]
WINDOWS = ((1.0, 0.5), (0.5, 0.25))


def everything(samples, rate):
    """Takes all but digital silence for speech."""
    loud = np.flatnonzero(np.diff(np.concatenate([[0], samples != 0, [0]])))
    return [(first / rate, last / rate) for first, last in loud.reshape(-1, 2).tolist()]


def conversation():
    samples = np.zeros(30 * RATE, np.float32)
    for start, end, level in TRUE:
        samples[int(start * RATE) : int(end * RATE)] = level
    return samples


@pytest.fixture(scope="module")
def embedder():
    return Embedder(speaker_archive())


@pytest.fixture
def by_level(embedder, monkeypatch):
    """A diarizer whose embeddings are the shares of both levels in a window."""

    def embed_iter(parts, **options):
        for part in parts:
            yield Embedded("", 0.5, np.array([np.mean(part < 0.2), np.mean(part > 0.2), 0, 0, 0, 0], np.float32))

    monkeypatch.setattr(embedder, "embed_iter", embed_iter)
    return ClusteringDiarizer(embedder, everything, windows=WINDOWS)


def test_turns_are_those_of_the_speakers(by_level):
    [found] = by_level.diarize(conversation())
    assert found.duration == 30.0 and found.error is None
    assert speakers_of(found.turns) == ["speaker_0", "speaker_1"]
    assert [turn.speaker for turn in found.turns] == ["speaker_0", "speaker_1", "speaker_0", "speaker_1"]
    np.testing.assert_allclose([turn[:2] for turn in found.turns], [x[:2] for x in TRUE], atol=0.26)


def test_options_are_obeyed_and_checked(by_level, embedder):
    samples = conversation()
    for wanted in (1, 3):
        assert len(speakers_of(by_level.diarize(samples, num_speakers=wanted)[0].turns)) == wanted
    assert len(speakers_of(by_level.diarize(samples, max_speakers=1)[0].turns)) == 1
    assert by_level.diarize(np.zeros(RATE, np.float32))[0].turns == []  # nobody speaks
    with pytest.raises(ConfigError, match="min_speakers is 9, which is more than max_speakers, 8"):
        by_level.diarize(samples, min_speakers=9)
    with pytest.raises(ConfigError, match="max_speaker is not an option of the clustering; did you mean"):
        ClusteringDiarizer(embedder, max_speaker=3)
    with pytest.raises(ConfigError, match="windows is empty"):
        ClusteringDiarizer(embedder, windows=())
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        by_level.diarize("none.wav")
    first, second = by_level.diarize(["none.wav", samples], on_error="skip")
    assert "no such file" in first.error and len(second.turns) == 4


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(jaxspeech, "load", functools.cache(jaxspeech.load))
    save_archive(tmp_path / "m.jaxspeech", **speaker_archive()._asdict())
    noise = np.random.default_rng(0).normal(size=2 * RATE) * 0.3
    noise[RATE : RATE + RATE // 2] *= 1e-4
    soundfile.write(tmp_path / "my talk.wav", noise, RATE)
    command = ["diarize", f"--model={tmp_path}/m.jaxspeech", f"{tmp_path}/my talk.wav", "--num_speakers=2"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert {row[2] for row in rows} == {"speaker_0", "speaker_1"} and "1 file, 0 skipped" in err
    assert err.strip().endswith(f"{len(rows)} turns of 2 speakers")
    assert main([*command, f"{tmp_path}/none.wav", f"--rttm={tmp_path}/out.rttm", "--strict"]) == 1
    written = read_rttm(tmp_path / "out.rttm")["my_talk"]
    assert [[f"{x.start:.3f}", f"{x.end:.3f}", x.speaker] for x in written] == rows
    capsys.readouterr()
    assert main(["diarize", f"--model={tmp_path}/m.jaxspeech"]) == 2
    assert "whose turns are to be found?" in capsys.readouterr().err
