"""Exports models for ONNX runtimes; see docs/export.md. Needs the extra `onnx`."""

import importlib.util
import os

from jaxspeech.archive import Archive
from jaxspeech.errors import ConfigError

MISSING = 'exporting to ONNX needs the package onnx: python -m pip install "jaxspeech[onnx]"'


def export_onnx(archive: Archive, folder: str | os.PathLike[str], *, own_features: bool = False) -> None:
    """Writes a folder that onnx-asr and sherpa-onnx load; the runtimes compute the features.

        CTC          model.onnx
        RNN-T, TDT   encoder-model.onnx, decoder_joint-model.onnx (onnx-asr), decoder.onnx, joiner.onnx (sherpa-onnx)
        recognisers  config.json, vocab.txt (onnx-asr), tokens.txt (sherpa-onnx)
        speakers     model.onnx (sherpa-onnx)
        frames       model.onnx, config.json: classes, and the settings of the features, which your program computes

    Args:
      archive: a CTC, RNN-T, TDT or hybrid model, which is exported with the head that its search uses; a model of
        speakers, or a classifier of frames.
      folder: is created; it must be empty if it exists. It is written completely or not at all.
      own_features: export even if the runtimes cannot compute the model's features.

    Raises:
      ConfigError: the extra is not installed, or the runtimes do not support something in this model.
      ArchiveError: the folder cannot be written.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(MISSING)
    from jaxspeech.interop.onnx.folder import write_folder

    write_folder(archive, folder, own_features=own_features)
