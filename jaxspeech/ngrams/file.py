"""Reads and writes our files of n-gram models (.ngram): an uncompressed zip of a header and of plain arrays.

    header.json      {"format", "jaxspeech", "vocab_size", "pieces", "tokenizer", "words", "unknown_each", "training",
                      "arrays": {name: {"dtype", "size", "sha256"}}}
    1.prefixes, 1.tokens, 1.log_probs, 1.backoffs, 2.prefixes, ...        little-endian values

Reading runs no code, and needs no more memory than the file has bytes. "tokenizer" is the hash of the pieces.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.errors import LanguageModelError
from jaxspeech.files import replace_atomically
from jaxspeech.ngrams.model import NgramModel, NgramOrder, check_tables

FORMAT = 1
MOST_ORDER = 99  # the names of the arrays have two digits
HEADER = "header.json"
DTYPES = {"prefixes": "<i8", "tokens": "<i4", "log_probs": "<f4", "backoffs": "<f4"}
MEMBER = re.compile(rf"{re.escape(HEADER)}|[1-9]\d?\.({'|'.join(DTYPES)})", re.ASCII)
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, NotImplementedError)


def tokenizer_hash(pieces: Sequence[str]) -> str:
    """Returns what identifies a tokenizer: the SHA-256 of the spelling of its tokens, in their order."""
    return hashlib.sha256("".join(f"{piece}\0" for piece in pieces).encode("utf-8", "surrogatepass")).hexdigest()


def write_ngrams(path: str | os.PathLike[str], model: NgramModel) -> None:
    """Writes a model atomically; the folder is created.

    Raises:
      LanguageModelError: the file cannot be written.
    """
    if len(model.orders) > MOST_ORDER:
        raise LanguageModelError(f"{path}: cannot be written (order {len(model.orders)}; the most is {MOST_ORDER})")
    arrays = {
        f"{n}.{name}": np.ascontiguousarray(getattr(table, name), dtype)
        for n, table in enumerate(model.orders, start=1)
        for name, dtype in DTYPES.items()
    }
    header = {
        "format": FORMAT,
        "jaxspeech": importlib.metadata.version("jaxspeech"),
        "vocab_size": model.vocab_size,
        "pieces": list(model.pieces),
        "tokenizer": tokenizer_hash(model.pieces) if model.pieces else "",
        "words": model.words,
        "unknown_each": model.unknown_each,
        "training": dict(model.training),
        "arrays": {
            name: {"dtype": array.dtype.str, "size": array.size, "sha256": hashlib.sha256(array.data).hexdigest()}
            for name, array in arrays.items()
        },
    }
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(HEADER), json.dumps(header, ensure_ascii=False))
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                    member.write(array.data)
    except OSError as error:
        raise LanguageModelError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_ngrams(path: str | os.PathLike[str]) -> NgramModel:
    """Reads a model.

    Raises:
      LanguageModelError: the file is missing, damaged or of another kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except LanguageModelError as error:
        raise LanguageModelError(f"{path}: {error}") from error
    except (*DAMAGE, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LanguageModelError(f"{path}: no n-gram model of ours, or damaged ({reason})") from error


def _read(archive: zipfile.ZipFile) -> NgramModel:
    members = archive.infolist()
    for member in members:
        if not MEMBER.fullmatch(member.filename) or member.compress_size != member.file_size:
            raise LanguageModelError(
                f"no n-gram model of ours: its member {member.filename!r} is unknown or compressed"
            )
    if HEADER not in archive.namelist():
        raise LanguageModelError(f"no n-gram model of ours (no {HEADER})")
    header: dict[str, Any] = json.loads(archive.read(HEADER))
    if header["format"] != FORMAT:
        raise LanguageModelError(f"format {header['format']!r} is newer than this jaxspeech reads: update jaxspeech")
    expected = header["arrays"]
    if len(members) != len(set(archive.namelist())) or set(expected) != {*archive.namelist()} - {HEADER}:
        raise LanguageModelError("its list of arrays and its members differ")
    arrays = {}
    for name, about in expected.items():
        content = archive.read(name)
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            raise LanguageModelError(f"{name} is damaged (SHA-256 differs)")
        arrays[name] = np.frombuffer(content, DTYPES[name.partition(".")[2]])
    count = len(expected) // len(DTYPES)
    orders = tuple(NgramOrder(*(arrays[f"{n}.{name}"] for name in DTYPES)) for n in range(1, count + 1))
    model = NgramModel(
        orders,
        vocab_size=int(header["vocab_size"]),
        pieces=tuple(map(str, header["pieces"])),
        words=bool(header["words"]),
        unknown_each=bool(header["unknown_each"]),
        training=dict(header["training"]),
    )
    if not check_tables(model) or len(model.pieces) not in (0, model.vocab_size):
        raise LanguageModelError("its tables are damaged")
    return model
