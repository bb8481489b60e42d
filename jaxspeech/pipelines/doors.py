"""Maps each kind of model to its pipeline class, and holds what all pipelines begin and end with."""

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
    """The public pipeline class for a kind of model, and the words for such a model in messages."""

    name: str
    noun: str


DOORS: dict[type, Door] = {
    kinds.Recognition: Door("Recognizer", "a recognition model"),
    kinds.TalkerRecognition: Door(
        "MultitalkerRecognizer",
        "a recognition model for several speakers, which must know who speaks when (transcribe --speakers=DIARIZER)",
    ),
    kinds.Classification: Door("Classifier", "a classification model"),
    kinds.Regression: Door("Regressor", "a regression model"),
    kinds.Embedding: Door("Embedder", "an embedding model"),
    kinds.Diarization: Door("Diarizer", "a diarization model"),
    kinds.Enhancement: Door("Enhancer", "an enhancement model"),
    kinds.Speaking: Door("Synthesizer", "a voice"),
    kinds.Synthesis: Door("Synthesizer", "a text-to-mel model"),
    kinds.Vocoding: Door("Vocoder", "a vocoder"),
    kinds.Coding: Door("Codec", "a codec"),
    kinds.Encoding: Door("FeatureExtractor", "a pretrained encoder, from which other models start (init_from)"),
    kinds.Generation: Door("LanguageModel", "a language model"),
    kinds.Answering: Door("Chat", "a language model that answers questions"),
}


class WrongDoor(ConfigError):
    """The model is of a different kind than the class takes.

    Attributes:
      door: the class for this kind.
    """

    def __init__(self, door: Door):
        super().__init__(f"this is {door.noun}, which this class does not take")
        self.door = door


class Opened(NamedTuple):
    """A model on the device; `config` and `variables` are in the form in which it runs fastest.

    Variables for training alone (see `Task.used`) are left out.
    """

    config: dict[str, Any]
    task: Task[Any, Any, Any]
    variables: Variables


def open_model(archive: Archive, takes: type, *, dtype: str | None) -> Opened:
    """Puts a model on the device.

    Args:
      archive: the content of a model file.
      takes: the kind that the class takes, one of the records of `tasks.kinds`.
      dtype: of the matrix products; None: as in the configuration.

    Raises:
      WrongDoor: the model is of a different kind.
      ConfigError: this version cannot build the model.
    """
    enable_compilation_cache()
    config, variables = for_inference(archive.model, archive.variables, dtype=dtype)
    task = build(config)
    if not isinstance(task.inference, takes):
        raise WrongDoor(DOORS[type(task.inference)])
    return Opened(config, task, jax.device_put(task.used(variables)))


def with_bar(results: Iterable[T], inputs: Any) -> Iterable[T]:
    """The results of the inputs; a bar shows how many have been taken."""
    total = len(inputs) if isinstance(inputs, list | tuple) else None
    return tqdm(results, total=total, unit="file", dynamic_ncols=True)
