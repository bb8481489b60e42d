"""The files of a folder of Hugging Face Transformers: JSON, and the weights in one file or in shards."""

import json
from pathlib import Path
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.transformers.safetensors import StoredTensor, read_safetensors

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
WEIGHTS, SHARDS = "model.safetensors", "model.safetensors.index.json"
LARGEST_JSON_BYTES = 1 << 27


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file that holds a dict.

    Raises:
      ArchiveError: it is missing, too large or damaged.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read(LARGEST_JSON_BYTES + 1)
        if len(content) > LARGEST_JSON_BYTES:
            raise ArchiveError(f"{path.name} is larger than {LARGEST_JSON_BYTES} bytes")
        found = json.loads(content.decode())
    except FileNotFoundError:
        raise ArchiveError(f"has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{path.name} is not JSON, or damaged ({error})") from error
    if not isinstance(found, dict):
        raise ArchiveError(f"{path.name} is not a dict")
    return found


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of the single file, or of the shards that the index names; they are read when they are needed.

    Raises:
      ArchiveError: files are missing or damaged.
    """
    if (folder / WEIGHTS).is_file():
        return read_safetensors(folder / WEIGHTS)
    if not (folder / SHARDS).is_file():
        raise ArchiveError(f"has neither {WEIGHTS} nor {SHARDS}")
    names = read_json(folder / SHARDS).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ArchiveError(f"its {SHARDS} has no weight_map")
    shards = {name: _shard(folder, name) for name in sorted(set(names.values()))}
    lost = [name for name, shard in names.items() if name not in shards[shard]]
    if lost:
        raise ArchiveError(f"{lost[0]} is not in {names[lost[0]]}, where {SHARDS} says it is")
    return {name: shards[shard][name] for name, shard in names.items()}


def _shard(folder: Path, name: str) -> dict[str, StoredTensor]:
    if name != Path(name).name or not name.endswith(".safetensors"):
        raise ArchiveError(f"its {SHARDS} names {name!r}, which is not a file in its folder: refused")
    return read_safetensors(folder / name)
