"""Explains errors of the environment of a process in one line: its files, memory, packages, settings of JAX."""

import os
from collections.abc import Mapping

from jaxspeech.errors import ConfigError, SpeechError

# Files of JAX that read environment variables and find devices.
OF_SETTINGS = ("jax/_src/config.py", "jax/_src/xla_bridge.py")


def explain(error: BaseException) -> str | None:
    """One line that says what the user can change; None for an error of the program itself."""
    if isinstance(error, SpeechError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return "not enough memory; use a smaller --batch_size, shorter recordings or a larger machine"
    if isinstance(error, ImportError) and error.name and not error.name.startswith("jaxspeech."):
        return f"{_line(error)}: install jaxspeech again, with the extras that you use"
    if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
        return f"not enough memory on the device: {_line(error)}"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "the system starts no more threads: raise its limit on processes (ulimit -u)"
    if _raised_in(error, OF_SETTINGS):
        given = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith("JAX_")]
        return f"JAX cannot start ({_line(error)}); its settings: {', '.join(given) or 'none'}"
    return None


def whole_number(environment: Mapping[str, str], name: str) -> int:
    """The value of an environment variable that holds a whole number.

    Raises:
      ConfigError: it holds something else.
    """
    try:
        return int(environment[name])
    except ValueError:
        raise ConfigError(f"the environment variable {name} is {environment[name]!r}, not a whole number") from None


def _of_system(error: OSError) -> str:
    """The message of an OSError; with a file name, the file and the reason."""
    absolute = isinstance(error.filename, str) and os.path.isabs(error.filename)
    if isinstance(error, FileNotFoundError) and not absolute and not _in_a_folder():
        return "the current folder does not exist any more: change to another one"
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return error.strerror or str(error) or type(error).__name__


def _in_a_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _raised_in(error: BaseException, files: tuple[str, ...]) -> bool:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and place.tb_frame.f_code.co_filename.replace("\\", "/").endswith(files)


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
