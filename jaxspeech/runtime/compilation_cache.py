"""Enables JAX's persistent compilation cache: later processes read compiled programs from disk."""

import logging
import os
import re
import threading
from pathlib import Path
from typing import Any

import jax

from jaxspeech.runtime.cache_folder import NO_HOME, user_cache

VARIABLE = "JAXSPEECH_CACHE"
_own: list[Path] = []


def enable_compilation_cache() -> None:
    """Switches the cache on, in the user's cache folder, unless a folder is already configured through JAX.

    The environment variable JAXSPEECH_CACHE sets a different folder; "off" leaves the cache off. If the folder is not
    writable, nothing is cached and one warning is logged.
    """
    choice = os.environ.get(VARIABLE, "").strip()
    if choice.lower() == "off" or jax.config.values["jax_compilation_cache_dir"]:
        return
    name: str | Path = choice
    try:
        name = _chosen(choice) if choice else user_cache("xla")
        if isinstance(name, Path):
            name.mkdir(parents=True, exist_ok=True)
            probe = name / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        logging.getLogger("jaxspeech").warning(
            "no compilation cache: %s; JAXSPEECH_CACHE=FOLDER sets another folder, JAXSPEECH_CACHE=off none",
            " ".join(filter(None, [str(name), f"({getattr(error, 'strerror', None) or error})"])),
        )
        return
    if isinstance(name, Path):
        _own[:] = [name]
    jax.config.update("jax_compilation_cache_dir", str(name))
    # By default JAX does not cache what compiles within a second; on a CPU that is half of the waiting time.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _write_whole_entries()


def own_folder() -> Path | None:
    """The folder that `enable_compilation_cache` chose; None if the cache is off, a URL, or configured through JAX."""
    return _own[0] if _own and jax.config.values["jax_compilation_cache_dir"] == str(_own[0]) else None


def _chosen(choice: str) -> str | Path:
    """The folder that the user chose: a URL of an object store as it is, `~` as the home folder, else absolute.

    Raises:
      OSError: there is no home folder, or no current folder.
    """
    if re.match(r"[a-z][a-z0-9+.-]+://", choice):
        return choice
    folder = Path(os.path.expanduser(choice))
    if folder.parts[0].startswith("~") and choice.startswith("~"):  # also "~nobody"
        raise OSError(f"{NO_HOME}, or there is no such user")
    return folder.absolute()


def _write_whole_entries() -> None:
    """Makes JAX write each entry of a cache on disk under another name, and rename it.

    JAX writes entries in place: another process that starts at the same time could read half of one, and what a killed
    process or a full disk left would be reported by every later process.
    """
    try:
        from jax._src.lru_cache import LRUCache  # JAX has no public way to do this
    except ImportError:
        return
    put = LRUCache.put
    if put.__module__ == __name__:
        return

    def put_whole(self: Any, key: str, value: bytes) -> None:
        entry = Path(str(self.path), f"{key}-cache")
        if self.eviction_enabled or not entry.parent.is_dir():  # it locks the folder; or an object store
            put(self, key, value)
        elif not entry.exists():
            part = entry.with_name(f".{os.getpid()}-{threading.get_ident()}")  # short, as names have limits
            try:
                part.write_bytes(value)
                os.replace(part, entry)
            finally:
                part.unlink(missing_ok=True)

    LRUCache.put = put_whole
