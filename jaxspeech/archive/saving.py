"""Writes archives: the tree of variables in a temporary folder -> one zip -> renamed."""

import os
from pathlib import Path
from typing import Any

from jaxspeech.archive.container import MEMBER, to_json, write_zip
from jaxspeech.archive.content import ALIGNER, Archive
from jaxspeech.archive.reason import system_reason
from jaxspeech.archive.tree import save_tree
from jaxspeech.assets import Assets
from jaxspeech.errors import ArchiveError
from jaxspeech.files import replace_atomically
from jaxspeech.types import Variables


def save_archive(
    path: str | os.PathLike[str],
    *,
    model: dict[str, Any],
    assets: Assets,
    variables: Variables,
    metadata: dict[str, Any] | None = None,
    aligner: Archive | None = None,
) -> None:
    """Writes an archive atomically: after an interruption, `path` is either the old file or the complete new one.

    Args:
      path: conventionally ends in .jaxspeech; its folder is created.
      model: the configuration, as `build` expects it, JSON-serialisable.
      assets: the assets of the model, saved with their files.
      variables: nested dicts of arrays.
      metadata: anything JSON-serialisable, which `load_archive` returns.
      aligner: a second model, see `Archive`.

    Raises:
      ArchiveError: the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # a symbolic link is kept, and its target replaced
    if path.suffix == ".nemo":
        raise ArchiveError(
            f"{path}: this writes jaxspeech archives (.jaxspeech); write .nemo files with Recognizer.export_nemo or "
            "jaxspeech convert"
        )
    config, small = {"model": model, "assets": _configs(assets)}, _asset_files(assets)
    if aligner is not None:
        config[ALIGNER] = {"model": aligner.model, "assets": _configs(aligner.assets), "metadata": aligner.metadata}
        small |= {f"{ALIGNER}/{name}": content for name, content in _asset_files(aligner.assets).items()}
        variables = {**variables, ALIGNER: aligner.variables}
    small = {"config.json": to_json(config), **small}
    for name in small:
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"{path}: an asset's file cannot be named {name!r}: use only letters, digits, _ . -")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as written:
            tree = written.parent / "checkpoint"
            save_tree(tree, variables)
            with open(written, "wb") as stream:
                write_zip(stream, small, tree, metadata or {})
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and "os_error_code" not in str(error):
            raise
        raise ArchiveError(f"{path}: cannot be written ({system_reason(error)}); the old file is unchanged") from error


def _configs(assets: Assets) -> dict[str, Any]:
    return {name: asset.config() for name, asset in assets.items()}


def _asset_files(assets: Assets) -> dict[str, bytes]:
    """The members that hold the files of assets."""
    files = ((f"assets/{name}/{file}", content) for name, a in assets.items() for file, content in a.files().items())
    return dict(files)
