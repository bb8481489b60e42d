"""Tests the transcripts of each speaker: whole recordings, parts, live conversations, and errors."""

import json

import jax
import numpy as np
import pytest
import soundfile

import jaxspeech
from jaxspeech import loading
from jaxspeech.cli.main import main
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.inference import speaker_rows
from jaxspeech.inference.inputs import Recording
from jaxspeech.pipelines.multitalker import MultitalkerRecognizer
from jaxspeech.speaker_masks import SpeakerMasks
from tests.pipelines.talker_model import FRAME, RATE, talk, talker_archive

FRAMES, SPEAKERS = 44, 3
# Start, length and speaker.
TURNS = ((0.0, 1.2, "ann"), (0.8, 1.2, "bob"), (2.4, 1.12, "ann"))


@pytest.fixture(scope="module")
def asr():
    return MultitalkerRecognizer(talker_archive())


@pytest.fixture(scope="module")
def meeting():
    return talk(FRAMES, SPEAKERS)


@pytest.fixture(scope="module")
def said(asr, meeting):
    return asr.transcribe_speakers(*meeting)


def words(hypothesis):
    return [(word.text, round(word.start, 6), round(word.end, 6)) for word in hypothesis.words]


def test_each_row_follows_its_speaker(asr, meeting, said):
    """Each speaker alone, with masks made by hand, by the task's own functions."""
    samples, activity = meeting
    assert list(said) == ["speaker_0", "speaker_1", "speaker_2"]
    assert len({hypothesis.tokens for hypothesis in said.values()}) == SPEAKERS
    encode, decode = jax.jit(asr.task.inference.encode), jax.jit(asr.task.inference.decode)
    for speaker in range(SPEAKERS):
        others = [i for i in range(SPEAKERS) if i != speaker]
        masks = SpeakerMasks(activity[None, :, speaker], 1.0 * (activity[None][..., others] > 0.5).any(-1))
        encoded = encode(asr.variables, samples[None], np.array([len(samples)]), masks)
        tokens = jax.device_get(decode(asr.variables, *encoded))
        found = said[f"speaker_{speaker}"]
        assert list(found.tokens) == tokens.ids[0, : tokens.num_tokens[0]].tolist()
        assert found.text == asr.tokenizer.decode(list(found.tokens)) and len(found.tokens) > 3
        assert [word.text for word in found.words] == found.text.split()
        assert all(0 <= word.start <= word.end <= FRAMES * 0.08 for word in found.words)


def test_speakers_do_not_depend_on_how_many_are_transcribed_together(asr, meeting, said):
    again = asr.transcribe_speakers(*meeting, batch_size=1)
    assert {name: words(found) for name, found in again.items()} == {name: words(x) for name, x in said.items()}


def test_turns_give_what_their_activity_gives(asr, meeting):
    samples, _ = meeting
    turns = [Turn(0.8, 2.0, "bob"), Turn(0.0, 1.2, "ann"), Turn(2.4, 3.52, "ann")]
    activity = np.zeros((FRAMES, 2), np.float32)
    # More than half of the 9 steps of 10 ms around 80 ms times the number of a frame (diarization/targets.py).
    activity[0:16, 0] = activity[31:44, 0] = activity[11:26, 1] = 1
    by_turns, by_activity = asr.transcribe_speakers(samples, turns), asr.transcribe_speakers(samples, activity)
    assert list(by_turns) == ["ann", "bob"]
    assert [found.tokens for found in by_turns.values()] == [found.tokens for found in by_activity.values()]
    # Frames of half the length say the same.
    finer = asr.transcribe_speakers(samples, np.repeat(activity, 2, 0), frame_seconds=0.04)
    assert [found.tokens for found in finer.values()] == [found.tokens for found in by_activity.values()]


def test_words_have_the_speakers_that_a_diarizer_finds(asr, meeting):
    samples, _ = meeting
    turns = [(0.0, 1.2, "ann"), (0.8, 2.0, "bob"), (2.4, 3.52, "ann")]
    apart = asr.transcribe_speakers(samples, turns)
    [found, broken] = asr.transcribe([samples, "missing.wav"], speakers=lambda samples, rate: turns, on_error="skip")
    assert "missing.wav" in broken.error
    assert {word.speaker for word in found.words} == {"ann", "bob"} and list(found.turns) == turns
    for name, said in apart.items():
        assert [word[:3] for word in found.words if word.speaker == name] == [word[:3] for word in said.words]
    assert [word.start for word in found.words] == sorted(word.start for word in found.words)
    assert found.text == " ".join(segment.text for segment in found.segments)
    assert len(found.tokens) == sum(len(said.tokens) for said in apart.values())


def test_a_part_of_a_file_has_the_turns_of_the_file(asr, meeting, tmp_path):
    samples, _ = meeting
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    turns = [(0.0, 1.2, "ann"), (0.8, 2.0, "bob"), (2.4, 3.52, "ann")]
    part = Recording("a", tmp_path / "a.wav", offset=0.8, duration=1.5)
    [found] = asr.transcribe([part], speakers=lambda samples, rate: turns)
    cut = asr.transcribe_speakers(samples[int(0.8 * RATE) :][: int(1.5 * RATE)], [(0.0, 0.4, "ann"), (0.0, 1.2, "bob")])
    assert found.turns == ((0.8, 1.2, "ann"), (0.8, 2.0, "bob"))
    for name, said in cut.items():
        times = [(word.text, round(word.start + 0.8, 6)) for word in said.words]
        assert [(word.text, round(word.start, 6)) for word in found.words if word.speaker == name] == times


def test_the_command_transcribes_with_speakers(asr, meeting, tmp_path, monkeypatch, capsys):
    samples, _ = meeting
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", samples, RATE, subtype="FLOAT")
    rows = [f"SPEAKER a 1 {start} {length} <NA> <NA> {name} <NA> <NA>\n" for start, length, name in TURNS]
    (tmp_path / "a.rttm").write_text("".join(rows))
    asr.save("m.jaxspeech")
    monkeypatch.setattr(loading, "load_any", lambda path, **options: asr)  # whose programs are compiled already
    assert main(["transcribe", "--model=m.jaxspeech", "--speakers=a.rttm", "--format=seglst", "a.wav"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {entry["speaker"] for entry in entries} == {"ann", "bob"}
    for options, message in (
        ((), "must know who speaks when (transcribe --speakers=DIARIZER)"),
        (("--speakers=a.rttm", "--stream"), "leave out --stream"),
        (("--speakers=a.rttm", "--long=buffered"), "long: a model for several speakers has no such choice"),
    ):
        assert main(["transcribe", "--model=m.jaxspeech", *options, "a.wav"]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(ConfigError, match="this model must know who speaks when; give a diarizer"):
        asr.transcribe(samples)


def test_nobody_and_nothing(asr, meeting):
    samples, activity = meeting
    assert asr.transcribe_speakers(samples, np.zeros_like(activity)) == {}
    assert asr.transcribe_speakers(samples, []) == {}
    with pytest.raises(SpeechError, match="holds no samples"):
        asr.transcribe_speakers(np.zeros(0, np.float32), activity)
    assert len(asr.transcribe_speakers(samples[:100], activity[:1] + 1)) == SPEAKERS
    alone = asr.transcribe_speakers(samples, activity * [0, 1, 0])
    assert list(alone) == ["speaker_1"]
    nine = asr.transcribe_speakers(samples, np.tile(activity, (1, 3)), batch_size=4)
    assert len(nine) == 9 and nine["speaker_8"].tokens == nine["speaker_2"].tokens


def test_long_recordings_in_parts_equal_the_whole(asr, meeting, said, monkeypatch):
    monkeypatch.setattr(speaker_rows, "PART_SECONDS", 1.0)
    parts = MultitalkerRecognizer(asr.archive).transcribe_speakers(*meeting)
    for name, found in parts.items():
        assert found.note == "in parts of 1 s" and words(found) == words(said[name])


def feed(conversations, meetings, *, late=0):
    """Feeds conversations of different ages, of which the activity comes `late` frames after the samples."""
    for start in range(0, FRAMES + late + 1, 5):
        for conversation, (samples, activity) in meetings:
            here = slice(max(start - late, 0), max(start + 5 - late, 0))
            conversation.push(samples[start * FRAME :][: 5 * FRAME], activity[here])
        conversations.step()
    for conversation, _ in meetings:
        conversation.end()
    while conversations.step():
        pass
    assert all(conversation.done for conversation, _ in meetings)


def test_live_conversations_equal_whole_recordings(asr, meeting, said):
    """With streams of all speakers from the first frame; two conversations at once, and activity that comes late."""
    other = talk(FRAMES, 1, seed=5)
    conversations = asr.conversations(4)
    first, second = (conversations.open(name, quiet_seconds=None) for name in ("first", "second"))
    feed(conversations, [(first, meeting), (second, other)], late=7)
    for conversation, whole in ((first, said), (second, asr.transcribe_speakers(*other))):
        found = conversation.hypotheses
        assert {f"speaker_{i}": words(x) for i, x in found.items()} == {name: words(x) for name, x in whole.items()}
    assert first.hypotheses[0].source == "first" and first.hypotheses[0].duration == pytest.approx(FRAMES * 0.08)


def test_speakers_appear_and_vanish(asr):
    """The first speaks, stops and returns; the second speaks in between. One place is enough for both in turn."""
    samples, _ = talk(150, 1, seed=9)
    activity = np.zeros((150, 2), np.float32)
    activity[5:30, 0] = activity[110:140, 0] = activity[60:75, 1] = 1
    conversations = asr.conversations(1)
    conversation = conversations.open("meeting", quiet_seconds=1.0)
    opened = []
    for start in range(0, 150, 10):
        conversation.push(samples[start * FRAME :][: 10 * FRAME], activity[start : start + 10])
        while conversation.ready:
            conversations.step()
        opened.append(sorted(conversation._open))
    conversation.end()
    while conversations.step():
        pass
    assert [0] in opened and [1] in opened and [] in opened and [0, 1] not in opened
    found = conversation.hypotheses
    assert found and all(x.text == " ".join(word.text for word in x.words) for x in found.values())
    # Nothing was said long before or after a speaker's turns: a second before them is heard, and a second after.
    for speaker, hypothesis in found.items():
        heard = np.flatnonzero(activity[:, speaker]) * 0.08
        for word in hypothesis.words:
            assert np.abs(heard - word.start).min() < 1.6, (speaker, word)


def test_a_silent_conversation_opens_no_stream(asr):
    conversations = asr.conversations(1)
    conversation = conversations.open()
    for _ in range(20):
        conversation.push(np.zeros(5 * FRAME, np.float32), np.zeros((5, 4), np.float32))
        while conversation.ready:
            conversations.step()
        assert not conversation._open and len(conversation._samples) < 30 * FRAME
    conversation.end()
    conversations.step()
    assert conversation.done and conversation.hypotheses == {}
    with pytest.raises(SpeechError, match="the conversation has ended; open a new one"):
        conversation.push(np.zeros(10, np.float32), np.zeros((1, 4), np.float32))


@pytest.mark.parametrize(
    ("speakers", "message"),
    [
        (np.zeros(5, np.float32), r"the activity has shape \(5,\); it must be \[frames, speakers\]"),
        ([1, 2, 3], "give turns, .* or activity"),
        (None, "give turns, .* or activity"),
    ],
)
def test_speakers_that_are_neither_turns_nor_activity(asr, meeting, speakers, message):
    with pytest.raises(ConfigError, match=message):
        asr.transcribe_speakers(meeting[0], speakers)


def test_options_that_cannot_be(asr, meeting):
    with pytest.raises(ConfigError, match="batch_size is 0"):
        asr.transcribe_speakers(*meeting, batch_size=0)
    with pytest.raises(ConfigError, match="2 recordings with the speakers of one"):
        asr.transcribe_speakers([meeting[0], meeting[0]], meeting[1])
    with pytest.raises(ConfigError, match="look_ahead 5: this model has 2"):
        asr.conversations(2, look_ahead=5)


def test_a_plain_recognizer_says_what_the_model_needs(asr, tmp_path):
    asr.save(tmp_path / "m.jaxspeech")
    with pytest.raises(
        ConfigError, match=r"must know who speaks when \(transcribe --speakers=DIARIZER\): .*Multitalker"
    ):
        jaxspeech.load(tmp_path / "m.jaxspeech")
    loaded = jaxspeech.load(tmp_path / "m.jaxspeech", jaxspeech.MultitalkerRecognizer)
    assert loaded.task.inference.sample_rate == RATE and loaded.tokenizer.pieces == asr.tokenizer.pieces


def test_a_model_without_kernels_is_refused():
    archive = talker_archive()
    model = archive.model | {"encoder": archive.model["encoder"] | {"speaker_kernels": ()}}
    with pytest.raises(ConfigError, match="needs an encoder with speaker_kernels"):
        jaxspeech.build(model)
