"""Fetches model files from the Hugging Face Hub through its local cache.

With a connection, the Hub lists the files and their hashes; without one, only the cache is used.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jaxspeech.errors import ArchiveError
from jaxspeech.files import replace_atomically
from jaxspeech.hub.published import full_name
from jaxspeech.runtime.cache_folder import NO_HOME, user_cache

# In order of preference, if a repository has several kinds. The layout of Transformers comes after these.
SUFFIXES = (".jaxspeech", ".nemo")
# The weights in that layout are one file, or an index and its shards; BESIDE are the small files.
WEIGHTS, SHARDS, SHARD = "model.safetensors", "model.safetensors.index.json", re.compile(r"model-[\w-]+\.safetensors")
CONFIG = "config.json"
# The first letters of the model types that can be read, and the keys of NeMo's first speech language models, which have
# no type.
FAMILIES = ("parakeet_", "canary", "nemo_speechlm", "llama", "qwen2", "qwen3")
UNTYPED = {"perception", "pretrained_llm"}
TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"}
BESIDE = {CONFIG, "preprocessor_config.json", "processor_config.json", SHARDS, "llm_backbone/config.json", *TOKENIZER}
NAME = re.compile(r"[\w.-]+/[\w.-]+")
SHA256 = re.compile(r"[0-9a-f]{64}")


class HubFile(NamedTuple):
    """A file of a repository, with its SHA-256 if the Hub states it."""

    name: str
    sha256: str | None


def is_hub_name(name: str) -> bool:
    """Whether `name` is "organisation/model", or the name of one of NVIDIA's published models without "nvidia/"."""
    return bool(NAME.fullmatch(full_name(name))) and not name.endswith(SUFFIXES)


def download(name: str, *, filename: str | None = None, revision: str | None = None) -> Path:
    """Download a repository's model, unless it is in the cache, and verify it.

    Args:
      name: "organisation/model", or the name of a published model, for example "stt_en_conformer_ctc_small".
      filename: the model's file; needed if the repository has several models. "model.safetensors" selects the layout of
        Transformers if the repository has other formats too.
      revision: branch, tag or commit; the main branch by default.

    Returns:
      The local path of the model file or, for the layout of Transformers, of the folder.

    Raises:
      ArchiveError: one line: there is no such repository or file, the Hub cannot be reached and the model is not in the
        cache, or a file does not have the hash that the Hub states.
    """
    try:
        import huggingface_hub
        from huggingface_hub.constants import HF_HUB_CACHE
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    except ImportError as error:
        raise ArchiveError(f'{name}: needs the extra "hub": python -m pip install "jaxspeech[hub]"') from error
    name = full_name(name)
    if str(HF_HUB_CACHE).startswith("~"):
        raise ArchiveError(f"{name}: {NO_HOME}, or HF_HOME to a folder for models")
    try:
        info = huggingface_hub.HfApi().model_info(name, revision=revision, files_metadata=True)
    except GatedRepoError as error:
        raise ArchiveError(
            f"{name}: its owner requires a login: accept the terms on its page, then run `hf auth login`"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = f" at revision {revision!r}" if revision else ""
        raise ArchiveError(
            f"{name}{at}: the Hub has no such public model; for a private one, run `hf auth login`"
        ) from error
    except Exception as error:  # no connection; the class depends on the HTTP library
        return _from_cache(name, filename, revision, reason=error)
    files = [HubFile(s.rfilename, s.lfs.sha256 if s.lfs else None) for s in info.siblings or ()]
    chosen = folder_files(files, filename)
    paths = []
    for file in chosen or [choose(name, files, filename)]:
        paths.append(Path(huggingface_hub.hf_hub_download(name, file.name, revision=info.sha)))
        check(paths[-1], file.sha256)
        if chosen and file.name == CONFIG:
            refuse_others(name, paths[-1])
    return paths[0].parent if chosen else paths[0]


def download_tokenizer(name: str) -> Path:
    """Download the configuration and the tokenizer of a language model, without its weights; returns their folder.

    Raises:
      ArchiveError: as `download`.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ArchiveError(f'{name}: needs the extra "hub": python -m pip install "jaxspeech[hub]"') from error
    wanted = sorted({CONFIG, *TOKENIZER})
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # no connection, no such model; the class depends on the HTTP library
        try:
            return Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted, local_files_only=True))
        except Exception:  # not in the cache either
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ArchiveError(f"{name}: its tokenizer cannot be fetched ({reason})") from error


def _from_cache(name: str, filename: str | None, revision: str | None, *, reason: Exception) -> Path:
    import huggingface_hub

    try:
        folder = Path(huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True))
    except Exception as error:  # as above: not in the cache either
        why = str(reason).strip().splitlines()[0][:200] if str(reason).strip() else type(reason).__name__
        raise ArchiveError(f"{name}: not in the local cache, and the Hub cannot be reached ({why})") from error
    files = [HubFile(file.relative_to(folder).as_posix(), None) for file in sorted(folder.rglob("*")) if file.is_file()]
    chosen = folder_files(files, filename)
    paths = [folder / file.name for file in chosen or [choose(name, files, filename)]]
    for path in paths:
        # The cache names a large file's blob by its hash.
        blob = path.resolve().name
        check(path, blob if SHA256.fullmatch(blob) else None)
    return folder if chosen else paths[0]


def folder_files(files: Iterable[HubFile], filename: str | None) -> list[HubFile]:
    """Select the files of a model in the layout of Transformers, the weights last.

    Returns:
      The files; an empty list if there is no such model, or a .jaxspeech or .nemo file is preferred to it.
    """
    by_name = {file.name: file for file in files}
    if filename not in (None, WEIGHTS, SHARDS) or (filename is None and any(n.endswith(SUFFIXES) for n in by_name)):
        return []
    weights = [WEIGHTS] if WEIGHTS in by_name else [n for n in by_name if SHARD.fullmatch(n) and SHARDS in by_name]
    if CONFIG not in by_name or not weights:
        return []
    return [by_name[name] for name in [*sorted(BESIDE & by_name.keys()), *sorted(weights)]]


def refuse_others(name: str, config: Path) -> None:
    """Check by config.json, before the weights are fetched, that the model is supported.

    Raises:
      ArchiveError: a model of this type cannot be read from the layout of Transformers.
    """
    try:
        content = json.loads(config.read_bytes())
        if "model_type" not in content and content.keys() >= UNTYPED:
            return
        kind = str(content["model_type"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{name}: its {CONFIG} does not say which model it is") from error
    if not kind.startswith(FAMILIES):
        known = ", ".join(f"{family}*" for family in FAMILIES)
        raise ArchiveError(f"{name}: not supported: model type {kind!r} (supported: {known})")


def choose(name: str, files: Iterable[HubFile], filename: str | None) -> HubFile:
    """Choose the model file of a repository.

    Raises:
      ArchiveError: the repository has no model file, or several of the same kind; lists the files found.
    """
    files = list(files)
    if filename is not None:
        found = [file for file in files if file.name == filename]
        if not found:
            models = ", ".join(file.name for file in files if file.name.endswith(SUFFIXES)) or "no model"
            raise ArchiveError(f"{name}: has no file {filename!r}; it has {models}")
        return found[0]
    for suffix in SUFFIXES:
        found = [file for file in files if file.name.endswith(suffix)]
        if len(found) > 1:
            named_alike = [file for file in found if Path(file.name).stem == name.partition("/")[2]]
            if len(named_alike) != 1:
                names = ", ".join(file.name for file in found)
                raise ArchiveError(f"{name}: has several models ({names}); choose one with filename=")
            return named_alike[0]
        if found:
            return found[0]
    others = ", ".join(file.name for file in files if file.name.endswith((".safetensors", ".onnx", ".bin", ".pt")))
    raise ArchiveError(
        f"{name}: has no .jaxspeech or .nemo file, nor {WEIGHTS} with {CONFIG}{f' (only {others})' if others else ''}"
    )


def check(path: Path, sha256: str | None) -> None:
    """Verify the hash of a file, once: a note in the user's cache marks this file as verified.

    Raises:
      ArchiveError: the hash differs; says how to fetch the file again.
    """
    if sha256 is None:
        return
    status = path.stat()
    signature = os.fsencode(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    try:
        if _note(sha256).read_bytes() == signature:
            return
    except OSError:  # not verified yet
        pass
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise ArchiveError(
            f"{path}: damaged (hash {found[:12]}..., not {sha256[:12]}...): delete {path.resolve()} and try again"
        )
    try:
        note = _note(sha256)
        note.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(note) as temporary:
            temporary.write_bytes(signature)
    except OSError:  # the cache is not writable, so the file is verified again next time
        pass


def _note(sha256: str) -> Path:
    """The note that marks a file of this hash as verified."""
    return user_cache("checked") / sha256
