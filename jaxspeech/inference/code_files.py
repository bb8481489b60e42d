"""Files of a codec's ids: .npz with `ids` [C T], `num_samples` and `sample_rate`; and the WAV files of samples."""

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.blocks import Stored, write_recording
from jaxspeech.errors import AudioError, OutputError
from jaxspeech.files import replace_atomically
from jaxspeech.inference.coded import Encoded

SUFFIX = ".npz"


def write_codes(path: Path, encoded: Encoded, sample_rate: int) -> None:
    """Writes the ids of a result of `Codec.encode`, as small whole numbers as hold them.

    Raises:
      OutputError: the file cannot be written.
    """
    ids = encoded.ids
    small = np.uint16 if not ids.size or ids.max() < 1 << 16 else np.int32
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, ids=ids.astype(small), num_samples=encoded.num_samples, sample_rate=sample_rate)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_codes(path: Path, sample_rate: int) -> Encoded:
    """Reads such a file as a result of `Codec.encode`; of an array `ids` alone, the frames are whole.

    Args:
      path: of the file.
      sample_rate: of the codec that will decode them, in Hz.

    Raises:
      AudioError: it cannot be read, has no ids, or has those of a codec of another rate.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if "ids" not in file:
                raise AudioError(f"{path}: has no array 'ids' ({', '.join(file.files) or 'it is empty'})")
            ids, rate = file["ids"], int(file["sample_rate"]) if "sample_rate" in file else sample_rate
            size = int(file["num_samples"]) if "num_samples" in file else 0
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise AudioError(f"{path}: is not a file of ids, or damaged ({str(error).splitlines()[0][:100]})") from error
    if rate != sample_rate:
        raise AudioError(f"{path}: ids of a codec of {rate} Hz; this one has {sample_rate} Hz")
    return Encoded(str(path), size / sample_rate, ids, size)


def write_wave(path: Path, samples: Float[np.ndarray, " S"], sample_rate: int) -> None:
    """Writes samples with 16 bits.

    Raises:
      OutputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary:
            stored = Stored(sample_rate, 1, "WAV", "PCM_16", "FILE")
            with write_recording(temporary, stored, name=str(path)) as write:
                write(samples[None])
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
