"""Enables JAX's persistent compilation cache: later processes read compiled programs from disk."""

import logging
import os
from pathlib import Path

import jax
import platformdirs


def enable_compilation_cache() -> None:
    """Switches the cache on, in the user's cache folder, unless a folder is already configured through JAX.

    The environment variable JAXSPEECH_CACHE sets a different folder; "off" leaves the cache off. If the folder is not
    writable, nothing is cached and one warning is logged.
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
            "no compilation cache: %s (%s); JAXSPEECH_CACHE=FOLDER sets another folder, JAXSPEECH_CACHE=off none",
            folder,
            error.strerror,
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # By default JAX does not cache what compiles within a second; on a CPU that is half of the waiting time.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
