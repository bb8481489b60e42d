"""Calls of the operating system that not every system has: the rest of the package calls these functions.

Each uses what POSIX systems have, and without it does the same with what Python has everywhere, for example on Windows.
No other file names a module or a function that only some systems have; a test checks that.
"""

import contextlib
import errno
import functools
import os
import platform as python_platform
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:
    fcntl = None
try:
    import msvcrt  # Windows
except ImportError:
    msvcrt = None

PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)
SYSCONF: Callable[[str], int] | None = getattr(os, "sysconf", None)
MEMORY = Path("/proc/meminfo")
PROCESSOR = Path("/proc/cpuinfo")
# Its lines that say which instructions there are.
INSTRUCTIONS = ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part", "isa")

# Signals that a terminal sends. A process that was started in the background (`nohup jaxspeech ... &`, many CI systems)
# ignores them: they are meant for others, so they stay ignored.
FROM_TERMINAL = ("SIGINT", "SIGHUP")
_seeking = threading.Lock()


def read_at(file: Any, size: int, start: int) -> bytes:
    """Reads from a place in an open file, from any thread; returns fewer bytes than `size` only at the file's end.

    Args:
      file: a binary file with a file descriptor.
      size: number of bytes.
      start: place of the first byte.
    """
    if PREAD is None:
        with _seeking:
            file.seek(start)
            return file.read(size)
    data = PREAD(file.fileno(), size, start)
    while len(data) < size and (more := PREAD(file.fileno(), size - len(data), start + len(data))):
        data += more  # Linux reads at most 2 GiB at once
    return data


def lock(file: IO[Any]) -> bool:
    """Locks an open file until it is closed or the process ends, however it ends; False if another process holds it.

    Without locks (a file system that has none) this returns True.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif msvcrt is not None:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def sync(path: str | os.PathLike[str]) -> None:
    """Waits until a written file is on the disk, where the file system can say so."""
    with open(path, "r+b") as file:  # Windows syncs only files that are open for writing
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                raise


def is_own(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to the user of this process, and nobody else may write it."""
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def sound_name(path: str | os.PathLike[str]) -> str | bytes:
    """The name under which libsndfile opens a file: on POSIX its bytes, which need not be valid text."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


def below_common_folder(paths: Sequence[str], *, rules: Any = os.path) -> list[str]:
    """Each path relative to the deepest folder that holds them all; on several drives the drive's letter comes first.

    Args:
      paths: absolute or relative.
      rules: `ntpath` or `posixpath`; those of this system by default.
    """
    paths = [rules.abspath(path) for path in paths]
    try:
        common = rules.commonpath([rules.dirname(path) for path in paths])
    except ValueError:  # on Windows: different drives
        parts = [rules.splitdrive(path) for path in paths]
        return [rules.join(drive.strip(":\\/") or "-", rest.lstrip("\\/")) for drive, rest in parts]
    return [rules.relpath(path, common) for path in paths]


def split_argument(given: str, *, rules: Any = os.path) -> tuple[str, str]:
    """Splits PATH:ARGUMENT; the argument is "" or begins with the colon, and the colon of a drive belongs to the path.

    Args:
      given: for example "x.py:large".
      rules: `ntpath` or `posixpath`; those of this system by default.
    """
    drive, rest = rules.splitdrive(given)
    path, colon, argument = rest.partition(":")
    return drive + path, colon + argument


def without_drive(path: str, *, rules: Any = os.path) -> str:
    """The path without a colon, relative to the current folder if it has a drive.

    Raises:
      ValueError: the current folder is on a different drive.
    """
    return rules.relpath(path) if rules.splitdrive(path)[0] else path


def total_memory() -> int | None:
    """Bytes of the machine's memory; None where the system does not report it."""
    try:
        return SYSCONF("SC_PAGE_SIZE") * SYSCONF("SC_PHYS_PAGES") if SYSCONF is not None else None
    except (OSError, ValueError):
        return None


def free_memory() -> int | None:
    """Bytes of memory that programs can still get; without Linux' report, all of it, used or not."""
    try:
        fields = dict(line.split(":") for line in MEMORY.read_text(encoding="ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return total_memory()


@functools.cache
def processor_facts() -> str:
    """Returns the number of cores, and the processor's kind and instructions as far as the system reports them."""
    try:
        lines = PROCESSOR.read_text(encoding="utf-8").splitlines()
        facts = sorted({line for line in lines if line.partition(":")[0].strip() in INSTRUCTIONS})
    except (OSError, ValueError):
        facts = [*python_platform.uname()[3:], python_platform.processor()]
    return "\n".join([*facts, str(os.cpu_count())])


def glibc_version() -> tuple[int, ...]:
    """The version of glibc; () if the C library is not glibc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError):  # Windows, or a C library without this name
        return ()
    return tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else ()


def signals(*names: str) -> list[signal.Signals]:
    """The signals of these names that this system has."""
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def catch_signals(numbers: Iterable[signal.Signals], handler: Callable[[int, Any], Any]) -> dict[signal.Signals, Any]:
    """Sets the handler of signals; returns the handlers before, for `restore_signals`.

    What a terminal sends stays ignored if it was. Outside of the main thread, where Python sets no handlers, nothing
    changes.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    terminal = signals(*FROM_TERMINAL)
    kept = [n for n in numbers if n in terminal and signal.getsignal(n) is signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in numbers if number not in kept}


def restore_signals(before: Mapping[signal.Signals, Any]) -> None:
    """Sets the handlers that `catch_signals` returned."""
    for number, handler in before.items():
        # None: the handler was not set by Python, which cannot set it again.
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def say_now(line: str) -> None:
    """Writes a line to the standard error of the process at once: also within a signal handler or a print."""
    with contextlib.suppress(OSError):  # closed, or its terminal is gone
        os.write(2, line.encode(errors="backslashreplace"))
