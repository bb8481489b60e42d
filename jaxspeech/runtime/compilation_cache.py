"""JAX's persistent compilation cache: a program compiled once is read from disk by the next process."""

import logging
import os
from pathlib import Path

import jax
import platformdirs


def enable_compilation_cache() -> None:
    """Switches the cache on, in the user's cache folder, unless a folder is configured through JAX already.

    The environment variable JAXSPEECH_CACHE names another folder; "off" leaves the cache off. A folder that cannot be
    written costs nothing but the time to compile again, and is told in one line.
    """
    choice = os.environ.get("JAXSPEECH_CACHE", "")
    if choice == "off" or jax.config.values["jax_compilation_cache_dir"]:
        return
    folder = Path(choice) if choice else platformdirs.user_cache_path("jaxspeech") / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        logging.getLogger("jaxspeech").warning(
            "no compilation cache: %s (%s); JAXSPEECH_CACHE=FOLDER chooses another, JAXSPEECH_CACHE=off is without",
            folder,
            error.strerror,
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX's own thresholds leave out what compiles within a second: on a CPU that is half of what a user waits for.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
