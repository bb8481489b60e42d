"""Simulated conversations: true turns are where a speaker is heard, and shares are near those that are asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main
from jaxspeech.data.conversation import Conversations
from jaxspeech.data.conversation_files import Request, write_conversations
from jaxspeech.data.conversation_options import ConversationOptions, parse_conversations
from jaxspeech.data.conversation_times import Timeline, shares
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.rng import generator
from jaxspeech.data.speaker_utterances import cut_spans
from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.seglst import read_seglst
from jaxspeech.errors import ConfigError, ManifestError
from tests.data.talkers import PITCHES, RATE, heard, make_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def talks(corpus: Path, **options) -> Conversations:
    return Conversations(Manifest(corpus), ConversationOptions(**options), sample_rate=RATE)


def test_turns_are_where_the_speakers_are_heard(corpus):
    conversations = talks(corpus, speakers=(3, 3), seconds=(30, 30), turns=(0.5, 3.0), gain_db=(0, 0), overlap=0.2)
    found = conversations.draw(generator(0, 0, 3))
    assert {turn.speaker for turn in found.turns} == set(PITCHES)
    for speaker, pitch in PITCHES.items():
        true = np.zeros(len(found.samples) // (RATE // 100) + 200, bool)
        for start, end, name in found.turns:
            if name == speaker:
                true[round(100 * start) : round(100 * end)] = True
        measured = heard(found.samples, pitch)
        # The detector of speech adds 0.07 s to each stretch.
        assert np.mean(measured != true[: len(measured)]) < 0.06
        assert not (measured & ~true[: len(measured)]).sum() > 20


@pytest.mark.parametrize(("overlap", "pauses"), [(0.0, 0.3), (0.1, 0.25), (0.3, 0.3)])
def test_shares_are_near_those_asked(corpus, overlap, pauses):
    conversations = talks(corpus, seconds=(60, 60), overlap=overlap, pauses=pauses, turns=(0.8, 1.5))
    measured = np.mean([shares([t[:2] for t in conversations.draw(generator(1, 0, i)).turns]) for i in range(6)], 0)
    np.testing.assert_allclose(measured, (overlap, pauses), atol=0.04)


def test_nobody_overlaps_himself_and_two_speak_at_most():
    rng = np.random.default_rng(3)
    timeline = Timeline(overlap=0.5, pauses=0.1, rng=rng)
    turns = []
    for _ in range(200):
        speaker, length = int(rng.integers(3)), rng.uniform(0.3, 4)
        start = timeline.place(speaker, np.array([[0.0, length]]))
        turns.append((start, start + length, speaker))
    edges = np.sort([x for turn in turns for x in turn[:2]])
    middles = (edges[1:] + edges[:-1])[np.diff(edges) > 1e-6] / 2
    active = [[speaker for a, b, speaker in turns if a < t < b] for t in middles]
    assert max(map(len, active)) == 2
    assert all(len(set(names)) == len(names) for names in active)


def test_the_same_seed_and_number_give_the_same_conversation(corpus):
    first, again = (talks(corpus, seconds=(10, 20), turns=(0.5, 2.0), speed=(0.9, 1.1)) for _ in range(2))
    first.draw(generator(5, 0, 0))  # what was drawn before does not matter
    one, two = first.draw(generator(5, 0, 7)), again.draw(generator(5, 0, 7))
    np.testing.assert_array_equal(one.samples, two.samples)
    assert one.turns == two.turns
    assert again.draw(generator(5, 0, 8)).turns != two.turns


def test_words_are_those_of_the_utterances(corpus):
    found = talks(corpus, speakers=(2, 2), seconds=(20, 20)).draw(generator(0, 0, 0))
    assert found.utterances
    for said in found.utterances:
        assert said.words.startswith(f"{said.speaker} says ")
        own = [turn for turn in found.turns if turn.speaker == said.speaker and turn.start >= said.start - 1e-6]
        assert own[0].start == pytest.approx(said.start)
        # Pauses of 0.3 s or more within an utterance are no speech.
        assert own[1].start - own[0].end == pytest.approx(0.43, abs=0.05)
    assert talks(corpus, speakers=(2, 2), turns=(0.5, 1.0)).draw(generator(0, 0, 0)).utterances is None


def test_noise_has_the_ratio_that_is_asked(corpus, tmp_path):
    noise = np.random.default_rng(0).standard_normal(4 * RATE) * 0.1
    soundfile.write(tmp_path / "noise.wav", noise, RATE)
    response = np.zeros(800)
    response[[20, 300]] = 1.0, 0.5
    soundfile.write(tmp_path / "room.wav", response, RATE)
    lines = [
        {"audio_filepath": f"{x}.wav", "duration": s, "kind": k}
        for x, s, k in (("noise", 4, "noise"), ("room", 0.1, "rir"))
    ]
    (tmp_path / "sounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = {"seconds": (20, 20), "turns": (0.5, 2.0), "gain_db": (0, 0), "overlap": 0.0}
    clean = talks(corpus, **options).draw(generator(0, 0, 0))
    noisy = talks(corpus, **options, noise=str(tmp_path / "sounds.jsonl"), snr_db=(12, 12)).draw(generator(0, 0, 0))
    assert noisy.turns == clean.turns
    speech = np.concatenate([clean.samples[int(a * RATE) : int(b * RATE)] for a, b, _ in clean.turns])
    ratio = np.sqrt(np.mean(speech**2) / np.mean((noisy.samples - clean.samples) ** 2))
    assert 20 * np.log10(ratio) == pytest.approx(12, abs=1)
    wet = talks(corpus, **options, rooms=str(tmp_path / "sounds.jsonl")).draw(generator(0, 0, 0))
    assert not np.allclose(wet.samples[: len(clean.samples)], clean.samples[: len(wet.samples)], atol=1e-3)


def test_cut_spans():
    spans = np.array([[1.0, 2.0], [2.5, 4.0], [4.5, 9.0]])
    assert cut_spans(spans, 10.0, 0.5) is spans
    np.testing.assert_allclose(cut_spans(spans, 3.2, 0.0), [[1, 2], [2.5, 4]])
    np.testing.assert_allclose(cut_spans(spans, 3.2, 0.99), [[4.5, 7.7]])


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_resumed_and_parallel_runs_write_the_same_files(corpus, tmp_path):
    options = ConversationOptions(seconds=(13, 16))
    request = Request((str(corpus),), options, sample_rate=RATE)
    path, before = write_conversations(request, tmp_path / "one", count=5)
    assert before == 0
    write_conversations(request, tmp_path / "two", count=2)
    part = tmp_path / "two" / "manifest.jsonl.part"
    part.write_text(part.read_text()[:-9])  # killed while a line was written
    assert write_conversations(request, tmp_path / "two", count=5, workers=2)[1] == 1
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    manifest = Manifest(path)
    turns, words = read_rttm(tmp_path / "one" / "rttm"), read_seglst(tmp_path / "one" / "seglst")
    assert len(manifest) == len(turns) == len(words) == 5
    for entry in manifest:
        assert soundfile.info(entry.path).duration == pytest.approx(entry.duration)
        name = Path(entry.path).stem
        assert len({turn.speaker for turn in turns[name]}) == entry.fields["num_speakers"]
        assert turns[name][-1].end <= entry.duration + 1e-3
    with pytest.raises(ConfigError, match="different overlap"):
        write_conversations(
            request._replace(options=ConversationOptions(seconds=(13, 16), overlap=0.2)), tmp_path / "two", count=5
        )


def test_command(corpus, tmp_path, capsys):
    out = tmp_path / "talks"
    command = ["prepare", "conversations", f"--manifest={corpus}", f"--output={out}", "--workers=1"]
    assert main([*command, "--sessions=2", "--minutes=0.2", "--speakers=2", "--sample_rate=8000", "--format=wav"]) == 0
    assert "2 conversations" in capsys.readouterr().out
    assert [json.loads(line)["num_speakers"] for line in (out / "manifest.jsonl").open()] == [2, 2]
    for wrong, message in (
        ("--speakers=3-2", "'3-2' is not LEAST-MOST"),
        ("--minutes=no", "'no' is not LEAST-MOST"),
        ("--overlap=1.5", "'1.5' is not a share from 0 to 0.8"),
        ("--speakers=4-5", "has 3 speakers, fewer than the 5 of a conversation"),
        ("--field=voice", "no line has the field 'voice'"),
        ("--minutes=0.03", "are too short for"),
    ):
        assert main([*command[:3], f"--output={tmp_path / 'x'}", "--workers=1", "--sample_rate=8000", wrong]) == 2
        found = capsys.readouterr().err.strip()
        assert message in found.splitlines()[-1]


def test_an_utterance_that_cannot_be_used_is_reported_and_replaced(tmp_path):
    corpus = make_corpus(tmp_path, each=2)
    soundfile.write(tmp_path / "ann0.wav", np.zeros(20000), RATE)
    (tmp_path / "bob0.wav").write_bytes(b"no audio")
    manifest = Manifest(corpus)
    conversations = Conversations(manifest, ConversationOptions(seconds=(20, 20)), sample_rate=RATE)
    found = [conversations.draw(generator(0, 0, i)) for i in range(4)]
    assert {said.words for talk in found for said in talk.utterances or ()} <= {
        "ann says 1",
        "bob says 1",
        "cy says 0",
        "cy says 1",
    }
    assert len(manifest.problems) == 2
    soundfile.write(tmp_path / "ann1.wav", np.zeros(20000), RATE)
    again = Conversations(Manifest(corpus), ConversationOptions(speakers=(3, 3)), sample_rate=RATE)
    with pytest.raises(ManifestError, match="no utterance of ann can be used"):
        again.draw(generator(0, 0, 0))


def test_options_are_checked():
    with pytest.raises(ConfigError, match='did you mean "overlap"'):
        parse_conversations({"overlaps": 0.1})
    with pytest.raises(ConfigError, match="speakers is"):
        parse_conversations({"speakers": [3, 2]})
    assert parse_conversations({"speakers": [1, 2], "turns": [1, 4]}).turns == (1, 4)
