"""Who said what in each format."""

import json

import pytest

from jaxspeech.diarization.rttm import read_rttm
from jaxspeech.diarization.seglst import read_seglst
from jaxspeech.diarization.turns import Turn, Utterance
from jaxspeech.inference.attributed import divided, with_speakers
from jaxspeech.inference.formats import channel_cues, cues_to_srt, cues_to_vtt, to_ctm, to_jsonl, to_text
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.karaoke import cues_to_ass
from jaxspeech.inference.line_width import LINE_COLUMNS
from jaxspeech.inference.subtitles import to_cues
from jaxspeech.inference.textgrid import to_textgrid
from jaxspeech.inference.writers import guess_format, open_writer, recording_names
from jaxspeech.search.timestamps import TimedText, segment_times
from jaxspeech.spacing import Attached
from tests.inference.test_formats import parse_srt, parse_vtt

TURNS = (Turn(0.0, 1.0, "ann"), Turn(1.0, 2.0, "bob b"), Turn(2.0, 3.0, "ann"))
TEXT = "good morning. hello ann how are"


def said(text=TEXT, turns=TURNS, start=0.0):
    """Six words in three seconds, without times in between."""
    words = [TimedText(word, start + i / 2, start + i / 2 + 0.5, 0.5) for i, word in enumerate(text.split())]
    whole = Hypothesis(text, source="a.wav", duration=3.0, words=tuple(words), segments=tuple(segment_times(words)))
    return with_speakers(whole, turns)


def test_segments_are_of_one_speaker_each_and_end_where_they_did():
    found = said()
    assert [word.speaker for word in found.words] == ["ann", "ann", "bob b", "bob b", "ann", "ann"]
    assert [(s.text, s.speaker) for s in found.segments] == [
        ("good morning.", "ann"),
        ("hello ann", "bob b"),
        ("how are", "ann"),
    ]
    assert found.turns == TURNS
    # A sentence ends within a turn; words without a length at its end belong to the next one.
    one = (Turn(0.0, 3.0, "ann"),)
    assert [s.text for s in said(turns=one).segments] == ["good morning.", "hello ann how are"]
    words = [TimedText("a.", 0.0, 0.5, 1.0), TimedText("b", 0.5, 0.5, 1.0), TimedText("c", 0.5, 0.6, 1.0)]
    assert [s.text for s in divided(words, segment_times(words))] == ["a.", "b c"]
    japanese = [TimedText("你", 0.0, 0.5, 1.0), TimedText(Attached("好"), 0.5, 1.0, 1.0)]
    assert [s.text for s in divided(japanese, segment_times(japanese))] == ["你好"]
    nobody = said(turns=())
    assert nobody.turns == () and [s.speaker for s in nobody.segments] == [None, None]


def test_text():
    found = said()
    assert to_text(found, named=False).splitlines()[1] == "1.00\t2.00\tbob b\thello ann"
    assert to_text(found._replace(segments=None), named=True) == (
        "a.wav\tann: good morning.\na.wav\tbob b: hello ann\na.wav\tann: how are\n"
    )
    assert to_text(said(turns=())._replace(segments=None), named=False) == TEXT + "\n"
    assert to_text(Hypothesis("", turns=(), words=()), named=False) == "\n"


def test_json_lines():
    line = json.loads(to_jsonl(said(), {"id": 7}))
    assert [word["speaker"] for word in line["pred_words"]] == ["ann", "ann", "bob b", "bob b", "ann", "ann"]
    assert [segment["speaker"] for segment in line["pred_segments"]] == ["ann", "bob b", "ann"]
    assert line["pred_turns"][1] == {"start": 1.0, "end": 2.0, "speaker": "bob b"}
    assert "speaker" not in to_jsonl(said()._replace(turns=None), {})  # speakers were not asked for


def test_ctm_has_the_columns_of_rich_transcription():
    rows = [line.split() for line in to_ctm(said().words, name="a", speakers=True).splitlines()]
    assert rows[2] == ["a", "1", "1.000", "0.500", "hello", "0.5000", "lex", "bob_b"]
    assert {len(row) for row in rows} == {8}
    assert to_ctm(said(turns=()).words[:1], name="a", speakers=True).split()[-2:] == ["lex", "unknown"]


def test_subtitles_begin_with_the_name_and_are_of_one_speaker():
    found = said()
    srt, vtt = (write(channel_cues([found])) for write in (cues_to_srt, cues_to_vtt))
    lines = ["ann: good morning.", "bob b: hello ann", "ann: how are"]
    assert [text for *_, text in parse_srt(srt)] == [text for *_, text in parse_vtt(vtt)] == lines
    rows = [line for line in cues_to_ass(channel_cues([found])).splitlines() if line.startswith("Dialogue")]
    assert [row.split(",")[4] for row in rows] == ["ann", "bob b", "ann"]
    assert rows[1].split(",", 9)[9].startswith(r"{\k0}bob b: {\k50}hello")
    # The name counts where a line is full.
    long = said(" ".join(["sixteen-letters."[:7]] * 40), (Turn(0.0, 30.0, "annabel"),))
    cues = to_cues(long.words)
    assert len(cues) > 2 and all(cue.text.startswith("annabel: ") for cue in cues)
    assert max(len(line) for cue in cues for line in cue.text.split("\n")) <= LINE_COLUMNS
    assert " ".join(cue.text.replace("annabel: ", "").replace("\n", " ") for cue in cues) == long.text
    huge = said("a b c d", (Turn(0.0, 3.0, "x" * 60),))
    assert len(to_cues(huge.words)) == 1  # a name of any length leaves room for words


def test_a_textgrid_has_tiers_for_each_speaker():
    grid = to_textgrid(said())
    names = ["segments ann", "words ann", "segments bob b", "words bob b", "tokens"]
    assert [line.split('"')[1] for line in grid.splitlines() if "name =" in line] == names
    assert grid.index('"how are"') < grid.index("segments bob b") < grid.index('"hello ann"')


def test_one_file_of_all_recordings(tmp_path):
    """As SegLST and RTTM, of parts of files that come in any order, and of files with the same name."""
    sources = [str(tmp_path / name) for name in ("x/a.wav", "y/a.wav", "b.wav")]
    first = Recording(sources[2], offset=0.0, duration=3.0)
    recordings = [first._replace(offset=3.0), first, Recording(sources[0]), Recording(sources[1])]
    later = tuple(Turn(start + 3, end + 3, name) for start, end, name in TURNS)
    found = [said(turns=later, start=3.0), said(), said(), said(turns=())]
    for name in ("all.seglst.json", "all.rttm"):
        output_format = guess_format(name, otherwise="text", among=("seglst", "rttm"))
        named = {"output_format": output_format, "recordings": recordings, "named": True}
        with open_writer(str(tmp_path / name), **named) as write:
            for recording, hypothesis in zip(recordings, found, strict=True):
                write(recording, hypothesis)
    spoken, turns = read_seglst(tmp_path / "all.seglst.json"), read_rttm(tmp_path / "all.rttm")
    assert sorted(spoken) == ["b", "x-a.wav", "y-a.wav"] and sorted(turns) == ["b", "x-a.wav"]
    assert spoken["b"][0] == Utterance(0.0, 1.0, "ann", "good morning.")
    assert [x.words for x in spoken["b"]] == ["good morning.", "hello ann", "how are"] * 2
    assert {x.speaker for x in spoken["y-a.wav"]} == {"unknown"}
    # Turns that are cut between two parts are one turn.
    assert [turn.speaker for turn in turns["b"]] == ["ann", "bob_b", "ann", "bob_b", "ann"]
    assert [turn[:2] for turn in turns["b"]] == [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6)]
    json.loads((tmp_path / "all.seglst.json").read_text())  # an array for any program
    with open_writer(str(tmp_path / "none.json"), output_format="seglst", recordings=[first], named=True) as write:
        write(first, Hypothesis(source=first.source, error="bad"))
    assert not (tmp_path / "none.json").exists()
    with open_writer(str(tmp_path / "no.json"), output_format="seglst", recordings=[first], named=True) as write:
        write(first, Hypothesis(source=first.source, words=(), segments=(), turns=()))
    assert json.loads((tmp_path / "no.json").read_text()) == []
    assert recording_names([]) == {}


@pytest.mark.parametrize("channel", [0, 1])
def test_channels_keep_their_numbers(channel):
    [cue, *_] = channel_cues([said()._replace(channel=channel)])
    assert cue.text == f"[{channel}] ann: good morning."
