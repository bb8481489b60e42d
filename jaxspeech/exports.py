"""Writes models to files: functions over an archive, each of which imports its format when it is called."""

import os
import warnings

import jax

from jaxspeech.archive import Archive, save_archive


def save(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes an archive that `load` reads.

    Raises:
      ArchiveError: it cannot be written.
    """
    save_archive(path, **archive._replace(variables=jax.device_get(archive.variables))._asdict())


def export_nemo(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes a .nemo file, which NVIDIA NeMo restores and which gives the same results there.

    What NeMo does differently with such a model comes as a warning.

    Raises:
      ArchiveError: it cannot be written, or NeMo has no such model: with everything that prevents it.
    """
    from jaxspeech.interop.nemo import save_nemo

    for remark in save_nemo(path, **archive._asdict()):
        warnings.warn(remark, stacklevel=3)


def export_onnx(archive: Archive, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
    """Writes a folder that the runtimes onnx-asr and sherpa-onnx load (extra `onnx`); see docs/export.md.

    Args:
      archive: a recogniser's.
      folder: is made; it must not hold anything yet.
      own_features: write it too if its features are not those that the runtimes compute.

    Raises:
      ConfigError: the extra is not installed, or the runtimes have no place for something in this model.
      ArchiveError: it cannot be written.
    """
    from jaxspeech.interop import onnx

    onnx.export_onnx(archive, folder, own_features=own_features)


def export_stablehlo(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes a recogniser's prediction as one file that JAX alone runs, weights included (extra `stablehlo`).

    See docs/export.md.

    Raises:
      ConfigError: the extra is not installed, or the model cannot be exported for every length.
      ArchiveError: it cannot be written.
    """
    from jaxspeech.builder import build
    from jaxspeech.forms.transcribing import without_padding_statistics
    from jaxspeech.interop import stablehlo

    stablehlo.export_stablehlo(build(without_padding_statistics(archive.model)), archive.variables, path)
