"""Exports speech from TensorFlow Datasets to FLAC files and a manifest.

TFDS downloads and prepares the dataset, and its data sources yield the examples. They are exported because batches are
planned from durations, which TFDS only knows after decoding everything.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from jaxspeech.audio.convert import to_int16
from jaxspeech.data.manifest import write_manifest
from jaxspeech.errors import SpeechError


def open_splits(name: str, splits: Sequence[str], *, data_dir: str | None = None) -> tuple[dict[str, Any], int]:
    """Open the splits of a dataset, which is downloaded if it is missing.

    Returns:
      The examples of each split by its name, and the sample rate of their audio in Hz.

    Raises:
      SpeechError: TFDS or a package that the dataset needs is not installed, or there is no such dataset or split.
    """
    try:
        tfds = importlib.import_module("tensorflow_datasets")
    except ImportError:
        raise SpeechError('TFDS is not installed: python -m pip install "jaxspeech[tfds]"') from None
    try:
        builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise SpeechError(f"TFDS has no dataset {name!r}: {str(error).splitlines()[0]}") from error
    except ImportError as error:
        # The code of some datasets, or of their download, imports TensorFlow.
        raise _missing_package(name, error) from error
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise _missing_package(name, error) from error
    unknown = set(splits) - set(builder.info.splits)
    if unknown:
        raise SpeechError(f"{name} has no split {', '.join(sorted(unknown))}; it has {', '.join(builder.info.splits)}")
    sources = {split: builder.as_data_source(split=split) for split in splits}
    return sources, _sample_rate(builder.info.features)


def _missing_package(name: str, error: ImportError) -> SpeechError:
    return SpeechError(f"TFDS needs another package for {name}: {str(error).splitlines()[-1]}; install it with pip")


def _sample_rate(features: Mapping[str, Any]) -> int:
    rates = [feature.sample_rate for feature in features.values() if getattr(feature, "sample_rate", None)]
    if len(rates) != 1:
        raise SpeechError(f"the dataset has {len(rates)} audio features with a sample rate; it must have one")
    return rates[0]


def export(
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    manifest: Path,
    *,
    sample_rate: int,
    audio_key: str = "speech",
    text_key: str = "text",
    names: Sequence[str] = (),
) -> None:
    """Write the examples of all splits to a folder beside `manifest`, and the manifest last.

    Args:
      splits: examples by name of the split; audio as 16-bit integers (in any integer type) or as floats.
      manifest: file to write; the audio goes to a folder of its name without ".jsonl".
      sample_rate: of the audio, in Hz.
      audio_key, text_key: names of these features in the dataset. Texts become lower-case.
      names: the text for each class, where the dataset gives texts as class numbers.

    Raises:
      SpeechError: an example has no audio or text under these names.
    """
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, _entries(splits, manifest, sample_rate, audio_key, text_key, names))


def _entries(
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    manifest: Path,
    sample_rate: int,
    audio_key: str,
    text_key: str,
    names: Sequence[str],
) -> Iterator[dict[str, Any]]:
    for split, examples in splits.items():
        folder = manifest.with_suffix("") / split
        folder.mkdir(parents=True, exist_ok=True)
        for i, example in enumerate(tqdm(examples, desc=split, unit=" utterances")):
            missing = {audio_key, text_key} - set(example)
            if missing:
                raise SpeechError(f"{split} has no {' and '.join(sorted(missing))}; it has {', '.join(example)}")
            samples = np.asarray(example[audio_key])
            # TFDS widens 16-bit audio to int64.
            samples = samples.astype(np.int16) if np.issubdtype(samples.dtype, np.integer) else to_int16(samples)
            path = folder / f"{i:06d}.flac"
            soundfile.write(path, samples, sample_rate, subtype="PCM_16")
            yield {
                "audio_filepath": path.relative_to(manifest.parent).as_posix(),
                "duration": round(len(samples) / sample_rate, 4),
                "text": _spell(example[text_key], names).lower(),
            }


def _spell(text: Any, names: Sequence[str]) -> str:
    if isinstance(text, bytes):
        return text.decode()
    if not isinstance(text, int | np.integer):
        return str(text)
    if not 0 <= text < len(names):
        raise SpeechError(
            f"the text is the class {text}: --names must give the text of each class, separated by commas"
        )
    return names[int(text)]


if __name__ == "__main__":
    raise SystemExit("this command is `jaxspeech prepare tfds` now")
