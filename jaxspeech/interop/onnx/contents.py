"""What an exported folder holds, and which features a runtime can compute for it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import onnx

from jaxspeech.tasks.parts import FEATURES
from jaxspeech.types import Variables

# Fields of the features that may differ: used in training only, for padding only, or configurable in the runtimes.
FREE = ("num_mels", "dither", "pad_to", "pad_value", "name", "parent")


class Contents(NamedTuple):
    """The files of a folder, made after all checks.

    Attributes:
      models: variables -> file name -> model.
      texts: file name -> content.
      problems: reasons why the model cannot be exported.
      other_features: reasons why the runtimes cannot compute its features.
    """

    models: Callable[[Variables], dict[str, onnx.ModelProto]]
    texts: Callable[[], dict[str, str]]
    problems: Sequence[str] = ()
    other_features: Sequence[str] = ()


def other_features(ours: Any, *, free: Sequence[str] = ()) -> list[str]:
    """Lists how the features differ from those that the runtimes compute.

    Args:
      ours: the module.
      free: further fields that may differ.
    """
    if not isinstance(ours, FEATURES.table["mel"]):
        return [f"the runtimes compute mel features, not {type(ours).__name__}; own_features=True if you compute them"]
    theirs = FEATURES.table["mel"]()  # the defaults are NeMo's, and the runtimes'
    # None stands for a value that is derived from the others.
    derived = {"fft_size": theirs.fft_size, "high_hz": theirs.sample_rate / 2}

    def value(features: Any, name: str) -> Any:
        found = getattr(features, name)
        return derived[name] if found is None and name in derived else found

    names = [field.name for field in dataclasses.fields(ours) if field.name not in (*FREE, *free)]
    other = [f"{name} {value(ours, name)}" for name in names if value(ours, name) != value(theirs, name)]
    if not other:
        return []
    return [f"the runtimes cannot compute its features ({', '.join(other)}); own_features=True if you compute them"]
