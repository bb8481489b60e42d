"""Manifests: the meaning of a line, examples that are left out and counted, and errors that stop reading."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ManifestError


def line(number=0, **fields):
    return json.dumps(
        {"audio_filepath": f"audio/{number}.wav", "duration": 1.0 + number, "text": f"text {number}"} | fields
    )


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_entries_keep_every_field_of_the_line(tmp_path):
    path = write(
        tmp_path / "m.jsonl",
        line(0, offset=0.5, lang="de", speaker="x"),
        "",
        line(1, text="grüße", audio_filepath="/a/b.wav"),
    )
    manifest = Manifest(path)
    first, second = manifest[0], manifest[1]
    assert len(manifest) == 2
    assert first.path == tmp_path / "audio/0.wav" and (first.offset, first.duration) == (0.5, 1.0)
    assert first.fields["lang"] == "de" and first.fields["speaker"] == "x"
    assert str(second.path) == "/a/b.wav" and second.fields["text"] == "grüße" and second.offset == 0.0


def test_several_manifests_with_weights(tmp_path):
    one = write(tmp_path / "one/m.jsonl", line(0), line(1))
    two = write(tmp_path / "two/m.jsonl", line(2))
    manifest = Manifest([str(one), {"path": two, "weight": 2.5}])
    np.testing.assert_array_equal(manifest.weights, [1, 1, 2.5])
    np.testing.assert_array_equal(manifest.durations, [1, 2, 3])
    assert manifest[2].path == tmp_path / "two/audio/2.wav"


def test_duration_limits_are_counted(tmp_path):
    manifest = Manifest(write(tmp_path / "m.jsonl", *(line(i) for i in range(10))), min_seconds=3, max_seconds=6)
    np.testing.assert_array_equal(manifest.durations, [3, 4, 5, 6])
    assert (manifest.too_short, manifest.too_long) == (2, 4)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ('{"audio_filepath": ', "not a JSON object"),
        ("[1, 2]", "not a JSON object"),
        ('{"text": "a", "duration": 1}', "no audio_filepath"),
        ('{"audio_filepath": "a.wav", "duration": 1}', "no text"),
        (line(text=5), "the text is 5, not a string"),
        (line(text="a \ud83d"), r"half of a character, \ud83d, at position 2"),
        (line(duration=-1), "duration is -1"),
        (line(duration="long"), "duration is 'long'"),
        (line(duration=float("nan")), "duration is nan"),
        (line(offset=-2), "offset is -2"),
        (line(duration=None), "no such file"),
    ],
)
def test_a_bad_line_is_named_once_and_skipped(tmp_path, bad, why):
    said = []
    path = write(tmp_path / "m.jsonl", line(0), bad, line(1))
    manifest = Manifest(path, need=("text",), problems=Problems(report=said.append))
    assert [entry.fields["text"] for entry in manifest] == ["text 0", "text 1"]
    assert len(manifest.problems) == len(said) == 1
    assert f"{path}:2: " in said[0] and why in said[0] and "\n" not in said[0]


def test_too_many_bad_lines_stop_with_one_error(tmp_path):
    path = write(tmp_path / "m.jsonl", *["{"] * 7, *(line(i) for i in range(93)))
    quiet = lambda line: None  # noqa: E731
    assert len(Manifest(path, problems=Problems(max_share=0.07, max_few=0, report=quiet))) == 93
    with pytest.raises(ManifestError, match=r"7 of 100 examples are unusable .*m\.jsonl:\d: not a JSON"):
        Manifest(path, problems=Problems(max_share=0.06, max_few=0, report=quiet))
    assert len(Manifest(path, problems=Problems(max_share=0.0, max_few=7, report=quiet))) == 93


def test_a_missing_duration_comes_from_the_audio(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(24000, np.float32), 16000)
    path = write(tmp_path / "m.jsonl", '{"audio_filepath": "a.wav", "text": "", "offset": 0.5}')
    assert Manifest(path)[0].duration == 1.0


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ("missing.jsonl", "no such manifest"),
        ("empty.jsonl", "empty manifest"),
        ("blank.jsonl", "no usable example in 0 lines"),
        ({"path": "good.jsonl", "weight": 0}, "weight is 0"),
        ({"path": "good.jsonl", "wieght": 2}, "wieght"),
    ],
)
def test_unusable_manifests(tmp_path, monkeypatch, sources, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "good.jsonl", line())
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "blank.jsonl").write_text("\n\n")
    with pytest.raises(ManifestError, match=message):
        Manifest(sources)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("['a.jsonl', 'b.jsonl']", ["a.jsonl", "b.jsonl"]),
        ('{"path": "a.jsonl", "weight": 2}', {"path": "a.jsonl", "weight": 2}),
        ('({"path": "a.jsonl", "weight": 2}, "b.jsonl")', [{"path": "a.jsonl", "weight": 2}, "b.jsonl"]),
        ("{a,b}.jsonl", ["a.jsonl", "b.jsonl"]),
    ],
)
def test_a_list_may_be_given_as_a_string_as_on_a_command_line(tmp_path, monkeypatch, sources, expected):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        write(tmp_path / f"{name}.jsonl", line(0, text=name))
    written, wanted = Manifest(sources), Manifest(expected)
    assert [entry.fields["text"] for entry in written] == [entry.fields["text"] for entry in wanted]
    np.testing.assert_array_equal(written.weights, wanted.weights)


def test_write_and_read_back(tmp_path):
    entries = [{"audio_filepath": f"{i}.wav", "duration": 0.1 * (i + 1), "text": "ü" * i} for i in range(5)]
    write_manifest(tmp_path / "m.jsonl", entries)
    assert [entry.fields for entry in Manifest(tmp_path / "m.jsonl")] == entries


def test_a_failed_write_leaves_the_old_manifest(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [{"audio_filepath": "old"}])
    with pytest.raises(TypeError):
        write_manifest(tmp_path / "m.jsonl", [{"audio_filepath": "new"}, {"audio_filepath": object()}])
    assert (tmp_path / "m.jsonl").read_text() == '{"audio_filepath": "old"}\n'


def test_take_selects_in_order(tmp_path):
    manifest = Manifest(write(tmp_path / "m.jsonl", *(line(i) for i in range(5)))).take(np.array([3, 1]))
    assert [entry.fields["text"] for entry in manifest] == ["text 3", "text 1"]


def test_only_the_needed_fields_are_needed(tmp_path):
    """A required field may have any name; a text that is not required may be missing, but must be a string."""
    bare = json.dumps({"audio_filepath": "a.wav", "duration": 1.0})
    path = write(
        tmp_path / "m.jsonl", bare, line(0, **{"speaker-id": "x"}), line(1, text=5), line(2, **{"speaker-id": 7})
    )

    def durations(*need):
        said = []
        manifest = Manifest(path, need=need, problems=Problems(report=said.append))
        return manifest.durations.tolist(), [reason.rpartition(": ")[2] for reason in said]

    assert durations() == ([1.0, 1.0, 3.0], ["the text is 5, not a string"])
    assert durations("text") == ([1.0, 3.0], ["no text", "the text is 5, not a string"])
    assert durations("speaker-id") == ([1.0], ["no speaker-id", "no speaker-id", "the speaker-id is 7, not a string"])
    assert durations("text", "speaker-id") == (
        [1.0],
        ["no text", "the text is 5, not a string", "the speaker-id is 7, not a string"],
    )


def test_texts_are_evenly_spaced_fields(tmp_path):
    manifest = Manifest(write(tmp_path / "m.jsonl", *(line(i, speaker=f"s{i}") for i in range(10)), line(10)))
    assert list(manifest.texts(at_most=2)) == ["text 0", "text 5"]
    assert list(manifest.texts("speaker")) == [*(f"s{i}" for i in range(10)), ""]
