"""Which door opens which kind of model, and what every door does first and last."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import jax
from tqdm import tqdm

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.inference import for_inference
from jaxspeech.runtime.compilation_cache import enable_compilation_cache
from jaxspeech.tasks import kinds
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

T = TypeVar("T")


class Door(NamedTuple):
    """The public name of the class for a kind of model, and how a model of this kind is called."""

    name: str
    noun: str


DOORS: dict[type, Door] = {
    kinds.Recognition: Door("Recognizer", "a recognition model"),
    kinds.Classification: Door("Classifier", "a classification model"),
    kinds.Embedding: Door("Embedder", "an embedding model"),
    kinds.Diarization: Door("Diarizer", "a diarization model"),
    kinds.Enhancement: Door("Enhancer", "an enhancement model"),
    kinds.Synthesis: Door("Synthesizer", "a synthesis model"),
    kinds.Generation: Door("Chat", "a language model"),
}


class WrongDoor(ConfigError):
    """A model that is of another kind than its door takes.

    Attributes:
      door: the right one.
    """

    def __init__(self, door: Door):
        super().__init__(f"this is {door.noun}, not one for this class")
        self.door = door


class Opened(NamedTuple):
    """A model on the device, in the form in which it runs fastest: `config` and `variables` have that form."""

    config: dict[str, Any]
    task: Task[Any, Any, Any]
    variables: Variables


def open_model(archive: Archive, takes: type, *, dtype: str | None) -> Opened:
    """Puts a model on the device.

    Args:
      archive: a model file's content.
      takes: the kind of the door, one of the records of `tasks.kinds`.
      dtype: of the matrix products; None is the configuration's.

    Raises:
      WrongDoor: it is a model of another kind.
      ConfigError: this version cannot build it.
    """
    enable_compilation_cache()
    config, variables = for_inference(archive.model, archive.variables, dtype=dtype)
    task = build(config)
    if not isinstance(task.inference, takes):
        raise WrongDoor(DOORS[type(task.inference)])
    return Opened(config, task, jax.device_put(variables))


def collect(results: Iterable[T], inputs: Any, *, progress: bool) -> list[T]:
    """The results of all inputs, with a bar if asked for."""
    total = len(inputs) if isinstance(inputs, list | tuple) else None
    return list(tqdm(results, total=total, unit="file", disable=not progress, dynamic_ncols=True))
