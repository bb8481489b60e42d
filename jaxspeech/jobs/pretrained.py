"""Starts a model of any task from a pretrained encoder: its other parts, and what it was pretrained with, differ."""

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.jobs.job import ModelConfig, Taken
from jaxspeech.surgery.encoder import ENCODER, encoder_note
from jaxspeech.tasks.kinds import Encoding


def encoder_of_pretrained(model: ModelConfig, archive: Archive) -> Taken | None:
    """Chooses the encoder of a pretrained model.

    Args:
      model: configuration of the new model.
      archive: a trained model.

    Returns:
      What is taken of it; None if it was not pretrained, or if it is pretrained further.
    """
    if archive.model["task"] == model["task"] or not isinstance(build(archive.model).inference, Encoding):
        return None
    return Taken((ENCODER,), encoder_note(model, archive))
