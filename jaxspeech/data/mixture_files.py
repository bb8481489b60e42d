"""Writes mixtures with their targets: pairs of files of one name, and a manifest of them.

    FOLDER/noisy/00000-NAME.flac, clean/00000-NAME.flac, manifest.jsonl

A mixture follows from the seed and the number of its line alone.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float
from tqdm import tqdm

from jaxspeech.audio.convert import to_int16
from jaxspeech.data.columns.mixture import mixture_columns
from jaxspeech.data.decode import name_entry
from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.data.mixture_options import MixtureOptions
from jaxspeech.data.problems import Problems
from jaxspeech.data.variant import STILL
from jaxspeech.errors import SpeechError
from jaxspeech.files import replace_atomically

NOISY, CLEAN, MANIFEST = "noisy", "clean", "manifest.jsonl"
# Fields that a mixture's line takes from that of its speech.
KEPT = ("text", "speaker", "lang", "id")
CACHE_BYTES = 2**28


def write_mixtures(
    speech: list[str],
    options: MixtureOptions,
    folder: Path,
    *,
    sample_rate: int,
    seed: int = 0,
    suffix: str = "flac",
    report: Callable[[str], None] = print,
) -> tuple[Path, int]:
    """Writes a mixture for each line of manifests of speech.

    Args:
      speech: the manifests.
      options: how mixtures are drawn.
      folder: for the files.
      sample_rate: of the files, in Hz.
      seed: determines what is drawn.
      suffix: "flac" or "wav".
      report: is called with a line about each recording that cannot be used.

    Returns:
      The path of the manifest, and the number of lines that could not be used.

    Raises:
      ConfigError: a noise or a room that is asked for is not there.
      ManifestError: a manifest cannot be used, or too many of the lines.
      SpeechError: a file cannot be written.
    """
    manifest = Manifest(speech, problems=Problems(name=", ".join(speech), report=report))
    made, _ = mixture_columns(
        manifest, options, sample_rate=sample_rate, train=False, seed=seed, cache_bytes=CACHE_BYTES
    )
    for name in (NOISY, CLEAN):
        (folder / name).mkdir(parents=True, exist_ok=True)

    def lines() -> Iterator[dict[str, Any]]:
        for number in tqdm(range(len(manifest)), desc="mixtures"):
            entry = manifest[number]
            try:
                samples, targets = (made[name].row(number, STILL) for name in ("samples", "targets"))
            except SpeechError as error:
                manifest.problems.add(name_entry(entry), str(error))
                manifest.problems.failed(manifest.num_candidates)
                continue
            manifest.problems.loaded()
            stem = PurePath(str(entry.member or entry.path)).stem
            paths = [folder / name / f"{number:05d}-{stem}.{suffix}" for name in (NOISY, CLEAN)]
            for path, sound in zip(paths, (samples, targets), strict=True):
                _write(path, sound, sample_rate)
            noisy, clean = (os.path.relpath(path, folder) for path in paths)
            fields = {name: entry.fields[name] for name in KEPT if name in entry.fields}
            seconds = samples.shape[1] / sample_rate
            yield {"audio_filepath": noisy, "target_filepath": clean, "duration": seconds} | fields

    write_manifest(folder / MANIFEST, lines())
    return folder / MANIFEST, len(manifest.problems)


def _write(path: Path, sound: Float[np.ndarray, "C S"], rate: int) -> None:
    try:
        with replace_atomically(path) as temporary:
            soundfile.write(temporary, to_int16(sound.T), rate, format=path.suffix[1:].upper(), subtype="PCM_16")
    except soundfile.SoundFileError as error:
        raise SpeechError(f"{path}: {error}") from error
