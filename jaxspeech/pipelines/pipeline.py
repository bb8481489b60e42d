"""What all pipelines are: a model on the device, with what its file holds besides its variables."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxspeech import exports
from jaxspeech.archive import Archive
from jaxspeech.pipelines.doors import open_model
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables


class Pipeline:
    """A model that is ready to run.

    Attributes:
      takes: the kind of model that the class takes, one of the records of `tasks.kinds`.
      task: the pure functions of the model (see `tasks.Task`).
      model: the Flax module.
      variables: nested dicts of arrays on the device; may be replaced by others of the same shapes.
      config: the configuration from which `build` makes the task.
      assets: the model's files besides its weights.
      metadata: further entries of the model file.
    """

    takes: ClassVar[type]

    def __init__(self, archive: Archive, *, dtype: str | None = None):
        """Puts the model on the device.

        Args:
          archive: the content of a model file.
          dtype: of the matrix products; None: as in the configuration.

        Raises:
          ConfigError: it is a model of another kind.
        """
        self.config: dict[str, Any]
        self.task: Task[Any, Any, Any]
        self.variables: Variables
        self.config, self.task, self.variables = open_model(archive, self.takes, dtype=dtype)
        self.model: Any = self.task.model
        self.assets: Mapping[str, Any] = archive.assets
        self.metadata: dict[str, Any] = dict(archive.metadata)

    @property
    def archive(self) -> Archive:
        """The content of the file that `save` writes."""
        return Archive(self.config, self.assets, self.variables, self.metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an archive that `load` reads; see `exports.save`."""
        exports.save(self.archive, path)

    def export_nemo(self, path: str | os.PathLike[str]) -> None:
        """Writes a .nemo file, if NeMo has such a model; see `exports.export_nemo`."""
        exports.export_nemo(self.archive, path)
