"""Lines that are parsed in blocks give the same result as each of them by the standard library's parser."""

import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxspeech.data import manifest_index as lines
from jaxspeech.data.manifest_index import scan
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import parse_line

GOOD = [
    b'{"audio_filepath": "a.flac", "duration": 1.5, "text": "one"}',
    b'{"duration": 2, "text": "zw\xc3\xb6lf", "audio_filepath": "b.flac", "speaker": {"id": [1, 2]}}',
    b'{"audio_filepath": "c.flac", "duration": 3.25, "offset": 0.5, "text": "\\u00fc", "x": NaN}',
    b'{"audio_filepath": "d.flac", "text": "", "shard_id": 3}',  # its duration is measured
    b'  {"audio_filepath": "e.flac", "duration": 1e1, "text": "e", "shard_id": "seven"} ',
]
BAD = [
    b"",
    b"{",
    b"[]",
    b'{"audio_filepath": "a", "duration": 1, "text": "\xff"}',
    b'{"audio_filepath": "a", "duration": 1, "text": "a", "more": "\xff"}',
    b'{"audio_filepath": "a", "duration": 0, "text": "a"}',
    b'{"audio_filepath": "a", "duration": 1e999, "text": "a"}',
    b'{"audio_filepath": "a", "duration": true, "text": "a"}',
    b'{"audio_filepath": "a", "duration": 1, "offset": -1, "text": "a"}',
    b'{"audio_filepath": "a", "duration": 1, "text": null}',
    b'{"audio_filepath": 5, "duration": 1, "text": "a"}',
    b'{"audio_filepath": "a", "duration": 1, "text": "a"} {"audio_filepath": "a", "duration": 1, "text": "a"}',
]


def meaning(content: bytes) -> tuple[list, list]:
    """(start, duration) of every usable line, and the numbers of the bad lines, by the standard library."""
    good, bad, start = [], [], 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                fields = json.loads(line)
                seconds = fields.get("duration", 9.0)
                assert type(seconds) in (int, float) and 0 < seconds < 1e300 and isinstance(fields["text"], str)
                assert fields.get("offset", 0.0) >= 0 and isinstance(fields["audio_filepath"], str)
                good.append((start, seconds))
            except (ValueError, AssertionError, AttributeError, KeyError):
                bad.append(number)
        start += len(line) + 1
    return good, bad


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(GOOD[:2]), st.sampled_from(GOOD + BAD)), max_size=30),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.sampled_from([1, 40, 300, 1 << 22]),
)
@example([GOOD[0], BAD[4], GOOD[1]], b"\n", True, 1 << 22)  # in a field that the fast parser skips
def test_blocks_agree_with_the_standard_library(chosen, end, ended, block_bytes):
    content = end.join(chosen) + (end if ended else b"")
    bad, good = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block_bytes)
        for part, _ in scan(
            io.BytesIO(content),
            need=("text",),
            shards={},
            measure=lambda name: 9.0,
            report=lambda number, error: bad.append(number),
        ):
            good += zip(part.starts.tolist(), part.durations.tolist(), strict=True)
            for start, size in zip(part.starts.tolist(), part.sizes.tolist(), strict=True):
                json.loads(content[start : start + size])
    assert (good, bad) == meaning(content)


@pytest.mark.parametrize("need", [(), ("text",), ("audio_filepath", "text")])
def test_a_good_block_is_never_parsed_line_by_line(monkeypatch, need):
    monkeypatch.setattr(lines, "_parse_lines", None)
    content = b"\n".join([*GOOD[:2] * 10, b""])
    ((part, count),) = scan(
        io.BytesIO(content), need=need, shards={}, measure=lambda name: 9.0, report=lambda number, error: None
    )
    assert count == 20 and part.durations.tolist() == [1.5, 2.0] * 10


def test_brackets_without_end_are_one_bad_line():
    with pytest.raises(ManifestError, match="not a JSON object"):
        parse_line(b"[" * 100_000)
