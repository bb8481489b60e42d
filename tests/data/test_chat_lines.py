"""Conversations of NeMo and of ShareGPT become lines of a manifest."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.chat_audio import ChatAudio
from jaxspeech.data.chat_lines import holds_chats, lines_of_chats
from jaxspeech.data.chat_turns import turns_of
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import ManifestError

AUDIO = {"from": "User", "type": "audio", "value": "a.wav", "duration": 0.5}
NEMO = {
    "id": "n",
    "conversations": [
        {"from": "User", "type": "text", "value": "First:"},
        AUDIO,
        AUDIO | {"offset": 0.25, "duration": 0.25, "value": "b.wav"},
        {"from": "Assistant", "type": "text", "value": "two dogs"},
        {"from": "User", "type": "text", "value": "Why?"},
        {"from": "Assistant", "type": "text", "value": "Because."},
    ],
    "custom": {"score": "answer", "id": "hidden"},
}
SHAREGPT = {
    "id": "s",
    "sound": "a.wav",
    "conversations": [{"from": "human", "value": "<sound>\nWhat is said?"}, {"from": "gpt", "value": "hello"}],
}
TEXT = {"id": "t", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "hello"}]}


@pytest.fixture
def folder(tmp_path):
    for name, level in (("a", 0.25), ("b", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(8000, level), 16000)
    return tmp_path


def test_the_manifest_has_turns_and_recordings(folder):
    lines = [NEMO, SHAREGPT, TEXT, SHAREGPT | {"custom": {"_skipme": True}}]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    manifest = Manifest(folder / "m.jsonl", need=("text",))
    assert len(manifest) == 3 and not len(manifest.problems)
    np.testing.assert_allclose(manifest.durations, [0.75, 0.5, 0.1])
    fields = [entry.fields for entry in manifest]
    assert [tuple(turn) for turn in turns_of(fields[0], ())] == [
        ("user", "First: <audio> <audio>"),
        ("assistant", "two dogs"),
        ("user", "Why?"),
        ("assistant", "Because."),
    ]
    assert fields[0]["text"] == "Because." and fields[0]["score"] == "answer" and fields[0]["id"] == "n"
    assert turns_of(fields[1], ["never"])[0].text == "<audio> What is said?"

    audio = ChatAudio(manifest, sample_rate=16000)
    first, second = audio(0)
    assert len(first) == 8000 and len(second) == 4000
    np.testing.assert_allclose([first[0], second[0]], [0.25, 0.5], atol=1e-4)
    assert [len(sound) for sound in audio(1)] == [8000] and audio(2) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"conversations": TEXT["conversations"][:1]}, "its last turn is no answer"),
        ({"conversations": [{"from": "nobody", "value": "x"}]}, "turn 1 is from 'nobody'"),
        ({"conversations": [{"from": "human", "value": 3}]}, "the value of turn 1 is 3, not a string"),
        ({"conversations": [{"from": "human", "value": "<speech>"}]}, "turn 1 has <speech>, and the line no sound"),
        ({"conversations": [AUDIO | {"type": "video"}]}, "the type 'video'"),
        ({"conversations": [AUDIO | {"offset": 2.0, "duration": None}]}, "ends before its offset of 2 s"),
        ({"conversations": [AUDIO | {"value": "missing.wav", "duration": None}]}, "missing.wav"),
    ],
)
def test_a_bad_line_says_what_is_wrong(folder, change, says):
    [line] = lines_of_chats([json.dumps(TEXT | change).encode()], folder / "m.jsonl")
    assert line is not None and says in line["cannot_be_used"]


def test_tars_of_conversations_are_refused(folder):
    (folder / "m.jsonl").write_text(json.dumps(NEMO) + "\n")
    with pytest.raises(ManifestError, match="recordings of conversations are read from files, not from tars"):
        Manifest({"path": str(folder / "m.jsonl"), "tars": str(folder / "a.tar")})
    assert not holds_chats(b'{"audio_filepath": "a.wav", "conversations": []}\n')


def test_a_plain_line_is_asked_about():
    line = {"text": " two  dogs ", "context": ["What?", "<audio> Who?"], "system_prompt": "Be short."}
    assert [tuple(turn) for turn in turns_of(line, ["never"])] == [
        ("system", "Be short."),
        ("user", "What? <audio>"),
        ("assistant", "two dogs"),
    ]
    assert turns_of(line, (), lambda texts: texts[-1])[1].text == "<audio> Who?"
    assert turns_of({"text": "x"}, ["Transcribe:"])[0].text == "Transcribe: <audio>"
    assert turns_of({"text": "x"}, ["<|it|> Who?"], tag="<|it|>")[0].text == "<|it|> Who?"
    messages = [{"role": "user", "content": ["a", "b"]}, {"role": "assistant", "content": "c"}]
    assert [turn.text for turn in turns_of({"messages": messages}, (), lambda texts: texts[-1])] == ["b", "c"]
    for fields, says in (
        ({"context": 3}, "context is 3"),
        ({}, "no text"),
        ({"messages": [3]}, "messages are no list"),
        ({"messages": [{"role": "user", "content": 3}]}, "content of a message is 3"),
    ):
        with pytest.raises(ManifestError, match=says):
            turns_of(fields, ["What?"])
