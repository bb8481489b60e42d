"""A run whose files are not there is refused before the first step, and one with a few bad files is not."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.trial import TRIED, try_examples
from jaxspeech.errors import ManifestError
from jaxspeech.text.char import CharTokenizer
from tests.data.recognition import columns

RATE = 8000


def trial(folder, *, good, bad, duration=0.1):
    """Tries a manifest with files that are there, and then with files that are not."""
    soundfile.write(folder / "good.wav", np.zeros(RATE // 10), RATE)
    names = [{"audio_filepath": "good.wav", "offset": 0.0} for _ in range(good)]
    names += [{"audio_filepath": f"gone/{i}.wav"} for i in range(bad)]
    lines = [json.dumps(name | {"duration": duration, "text": "a"}) + "\n" for name in names]
    (folder / "m.jsonl").write_text("".join(lines))
    manifest = Manifest(folder / "m.jsonl", problems=Problems(name="data.train", report=lambda line: None))
    try_examples(manifest, columns(manifest, CharTokenizer("a"), sample_rate=RATE))
    return manifest


@pytest.mark.parametrize(("good", "bad"), [(0, 8), (0, 10), (1, 9), (0, 1)])
def test_no_or_almost_no_audio(tmp_path, good, bad):
    with pytest.raises(ManifestError) as caught:
        trial(tmp_path, good=good, bad=bad)
    line = str(caught.value)
    assert line.startswith(f"data.train: {bad} of {good + bad} examples, read before the first step, are unusable; ")
    assert line.endswith("gone/0.wav: no such file") and "\n" not in line


def test_wrong_durations(tmp_path):
    with pytest.raises(ManifestError, match=r"ends after 0\.10 s of the 3\.00 s in its manifest"):
        trial(tmp_path, good=3, bad=0, duration=3.0)


def test_a_few_bad_files_are_problems_and_a_large_set_is_sampled(tmp_path):
    assert len(trial(tmp_path, good=6, bad=6).problems) == 6
    problems = trial(tmp_path, good=500, bad=500).problems
    assert len(problems) == TRIED // 2 and problems.lines[0].endswith("gone/0.wav: no such file")


def test_recordings_in_tars_and_at_urls_are_not_fetched(tmp_path):
    line = {"audio_filepath": "memory://nowhere/a.wav", "duration": 1.0, "text": "a"}
    (tmp_path / "m.jsonl").write_text(json.dumps(line) + "\n")
    manifest = Manifest(tmp_path / "m.jsonl", problems=Problems(report=lambda line: None))
    try_examples(manifest, columns(manifest, CharTokenizer("a"), sample_rate=RATE))
    assert not manifest.problems.lines
