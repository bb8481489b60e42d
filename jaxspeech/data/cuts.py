"""Reads the cuts of lhotse (JSON lines, often with gzip) as lines of a manifest; in Shar, tars hold their audio.

    cut.recording.sources[0].source -> audio_filepath     (in Shar the cut's id, which its tar knows)
    cut.start -> offset    cut.duration -> duration    cut.id -> id
    cut.supervisions: text, joined by spaces; speaker and language (lang), if they agree
    the fields of both `custom`, if they hide none of these

A mixed cut becomes a line with the places of its tracks, of which recognisers mix its audio (see `data.mixed_cuts`).
A cut that is neither one recording nor such a mixture becomes a line that says why, which is counted as a bad line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxspeech.data.files import Location, is_url
from jaxspeech.data.mixed_cuts import TRACKS, recorded, seconds_of, supervisions_of, tracks_of
from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import AUDIO, FAULT, parse_line

KINDS = ("MonoCut", "MultiCut")
OTHER_KINDS = ("MixedCut", "PaddingCut")


def holds_cuts(head: bytes) -> bool:
    """Whether a file holds cuts, by its first line."""
    try:
        first = json.loads(head.lstrip().split(b"\n", 1)[0].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("type") in (*KINDS, *OTHER_KINDS) and AUDIO not in first


def lines_of_cuts(lines: Iterable[bytes], path: Location) -> Iterator[dict[str, Any] | None]:
    """Yield a manifest line for each line of cuts; None for a blank one.

    Args:
      lines: of the file.
      path: of it; names of recordings are relative to its folder or, if they are not there, to the current one.
    """
    for line in lines:
        if not line.strip():
            yield None
            continue
        try:
            yield line_of_cut(parse_line(line), path)
        except (ManifestError, AttributeError, KeyError, TypeError, ValueError) as error:
            # What is not as lhotse writes it.
            why = str(error) if isinstance(error, ManifestError) else f"not a cut ({type(error).__name__}: {error})"
            yield {FAULT: why}


def line_of_cut(cut: Mapping[str, Any], path: Location) -> dict[str, Any]:
    """The manifest line of a cut.

    Raises:
      ManifestError: it is of several recordings, of one channel among several, or not of a recording at all.
    """
    kind, recording = cut.get("type"), cut.get("recording")
    if kind == "MixedCut":
        return _mixed_line(cut, path)
    if kind not in KINDS:
        raise ManifestError(f"a {kind}; of lhotse's cuts, those of one recording are read ({' and '.join(KINDS)})")
    if not isinstance(recording, Mapping):
        raise ManifestError("a cut without a recording")
    if recording.get("transforms"):
        raise ManifestError("its recording has transforms; let lhotse write the audio first (cuts.save_audios)")
    fields = _fields(cut, cut.get("supervisions") or ())
    place = {"id": cut.get("id"), "offset": cut["start"], "duration": cut["duration"]}
    return fields | place | {AUDIO: _audio(cut, recording, path)}


def _mixed_line(cut: Mapping[str, Any], path: Location) -> dict[str, Any]:
    """The line of a mixed cut, whose name stands for its audio: only what mixes its tracks finds any."""
    tracks = tracks_of(cut)
    parts = recorded(tracks, path, _audio)
    place = {"id": cut.get("id"), "offset": 0.0, "duration": seconds_of(tracks), TRACKS: parts}
    return _fields(cut, supervisions_of(tracks)) | place | {AUDIO: f"mixed cut {cut.get('id')}"}


def _fields(cut: Mapping[str, Any], supervisions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The texts and the other fields of a cut."""
    said = sorted(supervisions, key=lambda part: part["start"])
    fields: dict[str, Any] = {}
    for part in (cut, *said):
        fields |= {name: value for name, value in (part.get("custom") or {}).items() if name not in fields}
    for name, field in (("speaker", "speaker"), ("language", "lang")):
        values = {part.get(name) for part in said}
        if len(values) == 1 and None not in values:
            fields[field] = values.pop()
    texts = [part["text"] for part in said if part.get("text") is not None]
    if texts:
        fields["text"] = " ".join(texts)
    return fields


def _audio(cut: Mapping[str, Any], recording: Mapping[str, Any], path: Location) -> str:
    """The name of the audio: as the recording has it, or the cut's id in Shar."""
    sources = recording["sources"]
    if len(sources) != 1:
        raise ManifestError(f"its recording has {len(sources)} sources; let lhotse write the audio to one file")
    [source] = sources
    channels = recording.get("channel_ids") or source["channels"]
    wanted = cut["channel"] if isinstance(cut.get("channel"), list) else [cut.get("channel", 0)]
    if sorted(channels) != sorted(wanted) and len(channels) > 1:
        raise ManifestError(f"channel {wanted} of a recording with {len(channels)}; write it to a file of its own")
    if source["type"] == "shar":
        return str(cut["id"])
    if source["type"] not in ("file", "url"):
        raise ManifestError(
            f"its audio is in {source['type']!r}; it must be in a file, at a URL or in the tars of Shar"
        )
    name = source["source"]
    if isinstance(path, Path) and not is_url(name) and not (path.parent / name).exists() and Path(name).exists():
        return str(Path(name).absolute())
    return name
