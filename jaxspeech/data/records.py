"""Writes recordings to ArrayRecord files: a few large files with fast random access, without TensorFlow.

From train.jsonl, `write_records` (and `jaxspeech prepare records`) makes
records/train-00000-of-00008.array_record, ... and records/train.jsonl: the same lines, except that `audio_filepath`
names an ArrayRecord file and `record` the position in it. A record holds the unchanged bytes of the audio file (or, if
the line selects a part of it, that part as 16-bit FLAC).
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile
from array_record.python.array_record_module import ArrayRecordWriter
from tqdm import tqdm

from jaxspeech.audio.convert import to_int16
from jaxspeech.audio.read import read, read_seconds
from jaxspeech.data.containers import Containers
from jaxspeech.data.decode import TOLERANCE_SECONDS, name_audio, read_bytes
from jaxspeech.data.entry import Entry
from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.errors import AudioError


def write_records(
    manifest: Manifest, folder: Path, *, name: str, shards: int = 1, progress: bool = False
) -> tuple[Path, int]:
    """Write a manifest's recordings to ArrayRecord files in `folder`, and then the manifest of these.

    Recordings that cannot be read are left out, and reported to `manifest.problems`.

    Returns:
      The path of the new manifest, and its number of examples.

    Raises:
      ManifestError: too many recordings cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{name}-{i:05d}-of-{shards:05d}.array_record" for i in range(shards)]
    parts = [folder / f"{shard}.part" for shard in names]
    counts = [0] * shards
    # Uncompressed, one record per group: audio is already compressed, and is read one recording at a time.
    with contextlib.ExitStack() as stack:
        writers = [ArrayRecordWriter(str(part), "group_size:1,uncompressed") for part in parts]
        for writer in writers:
            stack.callback(writer.close)

        def entries() -> Iterator[dict[str, Any]]:
            for index in tqdm(range(len(manifest)), desc=name, unit=" utterances", disable=not progress):
                entry = manifest[index]
                try:
                    data = _content(entry, manifest.containers)
                except AudioError as error:
                    manifest.problems.add(name_audio(entry), str(error))
                    manifest.problems.check(len(manifest))
                    continue
                shard = index * shards // len(manifest)
                writers[shard].write(data)
                place = {"audio_filepath": names[shard], "record": counts[shard], "duration": entry.duration}
                counts[shard] += 1
                left = {key: value for key, value in entry.fields.items() if key not in ("offset", "shard_id")}
                yield left | place

        lines = list(entries())
    for part, shard in zip(parts, names, strict=True):
        part.replace(folder / shard)
    path = folder / f"{name}.jsonl"
    write_manifest(path, lines)
    return path, len(lines)


def _content(entry: Entry, containers: Containers) -> bytes:
    """The bytes of the recording's file, or, if the entry is a part of it, that part as FLAC."""
    data = read_bytes(entry, containers)
    if not entry.offset and read_seconds(io.BytesIO(data), name=name_audio(entry)) < entry.duration + TOLERANCE_SECONDS:
        return data
    samples, rate = read(io.BytesIO(data), name=name_audio(entry), offset=entry.offset, duration=entry.duration)
    part = io.BytesIO()
    soundfile.write(part, to_int16(samples), rate, format="FLAC", subtype="PCM_16")
    return part.getvalue()


if __name__ == "__main__":
    raise SystemExit("this command is `jaxspeech prepare records` now")
