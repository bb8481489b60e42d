"""Reads the voices of people from the file that `jaxspeech embed` writes."""

import os
import zipfile
from pathlib import Path

import numpy as np

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.inference.voices import Enrolment


def read_enrolment(path: str | os.PathLike[str], *, width: int | None = None) -> Enrolment:
    """Reads embeddings with the names of their speakers.

    Args:
      path: an .npz file with `embeddings` [N E] and `speakers` [N]; without the latter, `sources` [N] are the paths of
        recordings, each named after its speaker.
      width: E of the model that will be used.

    Raises:
      ArchiveError: the file cannot be read.
      ConfigError: it holds something else, or the embeddings are of a different model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("embeddings", "speakers", "sources") if name in file}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{path}: cannot be read as voices ({getattr(error, 'strerror', None) or error})") from error
    names = arrays.get("speakers")
    if names is None and "sources" in arrays:
        names = np.array([Path(str(source)).stem for source in arrays["sources"]])
    vectors = arrays.get("embeddings")
    if vectors is None or names is None or vectors.ndim != 2 or names.shape != vectors.shape[:1] or not len(vectors):
        raise ConfigError(f"{path}: holds no voices; jaxspeech embed --output={path} writes them")
    if width is not None and vectors.shape[1] != width:
        raise ConfigError(
            f"{path}: its embeddings have {vectors.shape[1]} values, those of the speaker model {width}: embed the "
            "voices with the same model"
        )
    enrolment = Enrolment()
    for name in dict.fromkeys(names.tolist()):
        enrolment.add(str(name), vectors[names == name])
    return enrolment
