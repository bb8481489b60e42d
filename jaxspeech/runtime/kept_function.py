"""Compiles a function once for all processes: reads its program from disk, or compiles it and writes it there."""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any

import jax

from jaxspeech.runtime.executables import KeptProgram, load_program, program_key, save_program, watch_cache

# A program that is not compiled after so many seconds is announced.
SLOW_SECONDS = 1.0
# Its messages are of the level INFO, so that only who asks for them sees them.
LOGGER = logging.getLogger("jaxspeech.compilation")


def compile_kept(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    name: str,
    config: dict[str, Any],
    options: dict[str, Hashable],
    outputs: tuple[type, ...] = (),
    what: str,
) -> Any:
    """Returns the compiled function, which is called with arguments like these.

    Args:
      function: (*arguments, **options) -> NamedTuples, tuples and arrays.
      arguments: pytrees of arrays.
      name, config, options: they determine the function, see `executables.program_key`; with an empty `config` the
        program is not kept on disk.
      outputs: the NamedTuple classes in the function's result.
      what: the program in words, for the message that it is being compiled.
    """
    place = program_key(name, config, options, arguments) if config else None
    if place is not None and (kept := load_program(place, outputs)) is not None:
        return kept
    with watch_cache() as hits, _announced(f"compiling {what}" + ("" if place is None else ", once")):
        program = jax.jit(partial(function, **options)).lower(*arguments).compile()
    if place is not None and not hits:
        save_program(place, program, needed_bytes=needed_bytes(program), outputs=outputs)
    return program


def needed_bytes(program: Any) -> int:
    """Bytes that a compiled program needs besides its arguments, as XLA reports it; 0 where it reports nothing."""
    if isinstance(program, KeptProgram):
        return program.needed_bytes
    analysis = program.memory_analysis()
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes if analysis else 0


def of_this_package(module: Any) -> bool:
    """Whether a module, which is a dataclass, and all modules that are its fields are defined in this package."""
    parts = [getattr(module, field.name) for field in dataclasses.fields(module) if field.name != "parent"]
    return type(module).__module__.startswith("jaxspeech.") and all(
        of_this_package(part) for part in parts if dataclasses.is_dataclass(part) and not isinstance(part, type)
    )


@contextlib.contextmanager
def _announced(line: str) -> Iterator[None]:
    """Logs a line if the block takes long."""
    timer = threading.Timer(SLOW_SECONDS, LOGGER.info, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
