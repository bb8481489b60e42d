"""Takes the encoder of a trained model for a model of another task, whose other parts start from scratch."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.archive import Archive
from jaxspeech.surgery.average import differences

# Names of the arrays: parameters and running statistics.
ENCODER = "^encoder/"
# The parts of the configurations that must agree for the encoder to compute the same.
PARTS = ("encoder.", "features.")


def encoder_note(model: Mapping[str, Any], archive: Archive) -> str:
    """Describes what is taken, and in which fields the encoder and its features are configured differently.

    Args:
      model: configuration of the new model.
      archive: the trained model, of any task with an encoder.
    """
    fields = {name: pair for name, pair in sorted(differences(model, archive.model).items()) if name.startswith(PARTS)}
    note = f"those of the encoder of a model of the task {archive.model['task']!r}"
    if fields:
        note += "; configured differently: " + ", ".join(
            f"{name} {ours!r} here, {theirs!r} there" for name, (ours, theirs) in fields.items()
        )
    return note
