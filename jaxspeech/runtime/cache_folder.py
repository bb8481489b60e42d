"""Finds the folder for what can be made again: compiled programs, notes about verified files."""

from pathlib import Path

import platformdirs

NO_HOME = "there is no home folder: set HOME"


def user_cache(name: str) -> Path:
    """A folder in the user's cache; it need not exist.

    Raises:
      OSError: the user has no home folder: HOME is not set, and the system has no entry for the user's number.
    """
    try:
        folder = platformdirs.user_cache_path("jaxspeech") / name
    except RuntimeError as error:
        raise OSError(NO_HOME) from error
    if folder.parts[0] == "~":
        raise OSError(NO_HOME)
    return folder
