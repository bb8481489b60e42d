"""Assets: what a model needs besides its weights, for example a tokenizer or the names of classes or speakers.

An asset is fully described by its `config()` and its `files()`, from which the table BUILDERS rebuilds it. Archives and
the folders of runs store assets under assets/<name>/.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxspeech.errors import ArchiveError, did_you_mean
from jaxspeech.files import replace_atomically
from jaxspeech.table import Table

CONFIG_FILE = "config.json"


@runtime_checkable
class Asset(Protocol):
    """The methods that every asset has."""

    def config(self) -> dict[str, Any]:
        """Returns its settings, JSON-serialisable."""
        ...

    def files(self) -> dict[str, bytes]:
        """Returns its files by name, without folders."""
        ...


Assets = Mapping[str, Any]  # the values are Assets
# Name of an asset -> function (config, files) -> asset.
BUILDERS: Table[Callable[[dict[str, Any], dict[str, bytes]], Any]] = Table(
    {
        "chat": "jaxspeech.text.chat:Chat.build",
        "classes": "jaxspeech.text.classes:Classes.build",
        "front_end": "jaxspeech.text.front_end:FrontEnd.build",
        "pitch": "jaxspeech.audio.pitch_statistics:PitchStatistics.build",
        "prompt": "jaxspeech.text.prompts:build_prompts",
        "speakers": "jaxspeech.text.classes:Classes.build",
        "tokenizer": "jaxspeech.text.tokenizer:build_tokenizer",
    }
)


def build_asset(name: str, config: dict[str, Any], files: dict[str, bytes]) -> Any:
    """Rebuilds an asset from its `config()` and its `files()`.

    Raises:
      ArchiveError: there is no asset of this name.
      SpeechError: its config or files are invalid.
    """
    if name not in BUILDERS:
        raise ArchiveError(f"asset {name!r} is unknown to this jaxspeech{did_you_mean(name, BUILDERS)}")
    return BUILDERS[name](config, files)


def same_assets(ours: Assets, theirs: Assets) -> str:
    """Returns the name of the first asset in which two models differ; "" if all are equal."""
    for name in sorted({*ours, *theirs}):
        both = [(assets[name].config(), assets[name].files()) if name in assets else None for assets in (ours, theirs)]
        if both[0] != both[1]:
            return name
    return ""


def write_assets(workdir: Path, assets: Assets) -> None:
    """Writes each asset to `workdir`/assets/<name>/: config.json and its files.

    Raises:
      ArchiveError: they cannot be written.
    """
    for name, asset in assets.items():
        folder = workdir / "assets" / name
        contents = {**asset.files(), CONFIG_FILE: json.dumps(asset.config(), ensure_ascii=False, indent=1).encode()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, content in contents.items():
                with replace_atomically(folder / file) as temporary:
                    temporary.write_bytes(content)
        except OSError as error:
            raise ArchiveError(f"{folder}: cannot be written ({error.strerror or error})") from error


def read_assets(workdir: Path) -> dict[str, Any]:
    """Reads the assets that `write_assets` wrote. Old runs have only a tokenizer, in `workdir`/tokenizer/.

    Raises:
      ArchiveError: they cannot be read.
    """
    folders = sorted(folder for folder in (workdir / "assets").glob("*") if folder.is_dir())
    if not folders and (workdir / "tokenizer").is_dir():
        folders = [workdir / "tokenizer"]
    assets = {}
    for folder in folders:
        try:
            contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
            config = contents.pop(CONFIG_FILE, None) or contents.pop("tokenizer.json")
            assets[folder.name] = build_asset(folder.name, json.loads(config), contents)
        except (OSError, ValueError, KeyError) as error:
            raise ArchiveError(f"{folder}: cannot be read ({error}); the run cannot resume without it") from error
    return assets
