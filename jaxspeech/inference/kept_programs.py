"""Compiles functions once for each set of shapes, keeps them on disk, and checks that their memory is free.

Unlike `inference.programs`, nothing is known of the arguments but that the variables come first.
"""

from collections.abc import Callable, Hashable
from typing import Any

import jax

from jaxspeech.errors import AudioError
from jaxspeech.inference.programs import GIB, available_bytes, shapes_of
from jaxspeech.runtime.kept_function import compile_kept, needed_bytes, of_this_package
from jaxspeech.tasks.task import Task


class KeptPrograms:
    """The compiled programs of one model.

    Args:
      task: of the model.
      config: of the model; programs of an empty one are not kept on disk, nor those of modules of other packages.
      outputs: the NamedTuple classes that the functions return.
    """

    def __init__(self, task: Task[Any, Any, Any], *, config: dict[str, Any], outputs: tuple[type, ...] = ()):
        self._config = config if of_this_package(task.model) else {}
        self._outputs = outputs
        self._compiled: dict[Hashable, Any] = {}

    def run(
        self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], what: str, **options: Hashable
    ) -> Any:
        """Calls a function.

        Args:
          name: of the function; with the configuration, it determines it.
          function: (variables, ..., **options) -> a pytree of arrays.
          arguments: of the call, the variables first.
          what: it makes, for messages.
          options: of the function; each combination is a separate program.

        Raises:
          AudioError: the program would need more memory than is free.
        """
        key = (name, shapes_of(arguments[1:]), *sorted(options.items()))
        if key not in self._compiled:
            place: Any = {"name": name, "config": self._config, "options": options, "outputs": self._outputs}
            program = compile_kept(function, arguments, **place, what=f"the model for {what}")
            self._compiled[key] = program, needed_bytes(program)
        program, needed = self._compiled[key]
        free = available_bytes(jax.devices()[0])
        if free is not None and needed > free:
            raise AudioError(
                f"{what} would take {needed / GIB:.1f} GiB of memory, only {free / GIB:.1f} GiB are free; choose a "
                "smaller batch_size"
            )
        return program(*arguments)
