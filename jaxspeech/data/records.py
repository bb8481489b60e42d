"""ArrayRecord files of recordings: a few large files, any example of which is read at once. No TensorFlow in them.

Of train.jsonl, `write_records` (and `jaxspeech prepare records`) makes
records/train-00000-of-00008.array_record, ... and records/train.jsonl: the same lines, but for `audio_filepath`,
which names an ArrayRecord file, and `record`, the place in it. A record is the audio file's bytes as they are (or, for
a line with an offset, the part that is meant, as FLAC of 16 bits).
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
from jaxspeech.data.manifest import Entry, Manifest, write_manifest
from jaxspeech.errors import AudioError


def write_records(
    manifest: Manifest, folder: Path, *, name: str, shards: int = 1, progress: bool = False
) -> tuple[Path, int]:
    """Write a manifest's recordings to ArrayRecord files in `folder`, and last the manifest that names them.

    Recordings that cannot be read are left out, and counted in `manifest.problems`.

    Returns:
      The new manifest, and how many examples it has.

    Raises:
      ManifestError: too many recordings cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{name}-{i:05d}-of-{shards:05d}.array_record" for i in range(shards)]
    parts = [folder / f"{shard}.part" for shard in names]
    counts = [0] * shards
    # Uncompressed, one record a group: audio is compressed already, and read one at a time.
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
    """The bytes of the recording's file; of a part of one, that part as FLAC."""
    data = read_bytes(entry, containers)
    if not entry.offset and read_seconds(io.BytesIO(data), name=name_audio(entry)) < entry.duration + TOLERANCE_SECONDS:
        return data
    samples, rate = read(io.BytesIO(data), name=name_audio(entry), offset=entry.offset, duration=entry.duration)
    part = io.BytesIO()
    soundfile.write(part, to_int16(samples), rate, format="FLAC", subtype="PCM_16")
    return part.getvalue()
