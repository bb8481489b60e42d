"""Writes models to files: functions of an archive, each of which imports its format when called."""

import os
import warnings

import jax

from jaxspeech.archive import Archive, save_archive


def save(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes an archive that `load` reads.

    Raises:
      ArchiveError: it cannot be written.
    """
    aligner = archive.aligner
    if aligner is not None:
        aligner = aligner._replace(variables=jax.device_get(aligner.variables))
    archive = archive._replace(variables=jax.device_get(archive.variables), aligner=aligner)
    save_archive(path, **archive._asdict())


def export_nemo(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes a .nemo file, which NeMo restores and which gives the same results there.

    A warning reports anything that NeMo does differently with the model.

    Raises:
      ArchiveError: it cannot be written, or NeMo has no such model; the message lists all reasons.
    """
    from jaxspeech.interop.nemo import save_nemo

    for remark in save_nemo(path, **archive._asdict()):
        warnings.warn(remark, stacklevel=3)


def export_transformers(archive: Archive, folder: str | os.PathLike[str]) -> None:
    """Writes a language model as a folder that Hugging Face Transformers reads; LoRA is added to its matrices.

    Args:
      archive: of the task "causal_lm".
      folder: created if needed.

    Raises:
      ArchiveError: it cannot be written, or Transformers has no such model.
    """
    from jaxspeech.interop.transformers.causal_lm import save_causal_lm

    save_causal_lm(archive, folder)


def export_onnx(archive: Archive, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
    """Writes a folder that the runtimes onnx-asr and sherpa-onnx load (extra `onnx`); see docs/export.md.

    Args:
      archive: of a recogniser, a model of speakers, or a classifier of frames.
      folder: created if needed; must be empty.
      own_features: write the model even if its features differ from those that the runtimes compute.

    Raises:
      ConfigError: the extra is not installed, or the runtimes do not support something in this model.
      ArchiveError: it cannot be written.
    """
    from jaxspeech.interop import onnx

    onnx.export_onnx(archive, folder, own_features=own_features)


def export_stablehlo(archive: Archive, path: str | os.PathLike[str]) -> None:
    """Writes a recogniser's prediction function as one file that needs only JAX, with weights (extra `stablehlo`).

    See docs/export.md.

    Raises:
      ConfigError: the extra is not installed, or the model cannot be exported for every length.
      ArchiveError: it cannot be written.
    """
    from jaxspeech.builder import build
    from jaxspeech.forms.transcribing import without_padding_statistics
    from jaxspeech.interop import stablehlo

    stablehlo.export_stablehlo(build(without_padding_statistics(archive.model)), archive.variables, path)
