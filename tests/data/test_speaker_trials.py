"""Speakers who are left out, and the trials among them."""

import json
from collections import Counter

import pytest

from jaxspeech.cli.main import main
from jaxspeech.data.speaker_trials import Recording, draw_speakers, draw_trials
from jaxspeech.errors import ConfigError, ManifestError

SEXES = "FFFFFFMMM"
RECORDINGS = [Recording(f"{n}/{i}.wav", f"s{n}", sex) for n, sex in enumerate(SEXES) for i in range(12)]


def test_groups_are_separate_and_of_both_sexes():
    test, dev = draw_speakers(RECORDINGS, (4, 2))
    sexes = [Counter(SEXES[int(name[1])] for name in group) for group in (test, dev)]
    assert not {*test} & {*dev} and sexes == [{"F": 2, "M": 2}, {"F": 1, "M": 1}]
    assert draw_speakers(RECORDINGS, (4, 2)) == [test, dev] != draw_speakers(RECORDINGS, (4, 2), seed=1)


def test_speakers_of_one_recording_are_no_choice():
    once = [Recording("x.wav", "once"), *RECORDINGS[:24]]
    assert draw_speakers(once, (2,)) == [["s0", "s1"]]
    with pytest.raises(ConfigError, match="3 speakers are to be left out, but only 2 of 3 have 2 recordings"):
        draw_speakers(once, (3,))


def test_half_is_the_same_speaker_and_a_quarter_the_same_sex():
    trials = draw_trials(RECORDINGS, 400)
    of = {recording.path: recording for recording in RECORDINGS}
    kinds = Counter((t.same, of[t.one].sex == of[t.other].sex) for t in trials)
    assert kinds == {(True, True): 200, (False, True): 100, (False, False): 100}
    assert all(t.same == (of[t.one].speaker == of[t.other].speaker) and t.one != t.other for t in trials)
    assert len({frozenset((t.one, t.other)) for t in trials}) == 400
    shares = Counter(of[t.one].speaker for t in trials if t.same)
    assert max(shares.values()) - min(shares.values()) <= 1 and len(shares) == len(SEXES)


def test_few_pairs_give_few_trials():
    assert len(draw_trials([r for r in RECORDINGS if r.path[2:] in ("0.wav", "1.wav")], 10_000)) == 9 + 4 * 36
    with pytest.raises(ManifestError, match="two speakers or more"):
        draw_trials(RECORDINGS[:12], 10)


def test_the_command_writes_manifests_and_trials(tmp_path, capsys):
    lines = [
        {"audio_filepath": f"a/{r.path}", "duration": 1.0, "speaker": r.speaker, "gender": r.sex} for r in RECORDINGS
    ]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out"
    command = ["prepare", "speakers", str(tmp_path / "all.jsonl"), f"--output={out}", "--test=3", "--dev=2"]
    assert main([*command, "--trials=50"]) == 0
    found = {
        name: [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "dev", "test")
    }
    speakers = {name: {line["speaker"] for line in lines} for name, lines in found.items()}
    assert [len(group) for group in speakers.values()] == [4, 2, 3] and len(set.union(*speakers.values())) == 9
    known = {line["audio_filepath"] for line in found["test"]}
    trials = [line.split("\t") for line in (out / "trials.txt").read_text().splitlines()]
    assert len(trials) == 50 and {path for _, *pair in trials for path in pair} <= known
    assert "25 trials of the same speaker, 25 of two" in capsys.readouterr().out
