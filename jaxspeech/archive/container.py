"""The zip of an archive: its members are uncompressed, and exactly those that metadata.json lists.

metadata.json   {"format", "jaxspeech", "files": {name: {"size", "sha256"}}, "metadata": ...}
"""

import hashlib
import importlib.metadata
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from jaxspeech.errors import ArchiveError

FORMAT = 2
READABLE = (1, 2)
# The folder of the arrays.
CHECKPOINT = "checkpoint/"
_NAME = r"\w[\w.-]*"
MEMBER = re.compile(
    rf"(config|metadata)\.json|tokenizer/{_NAME}|(aligner/)?assets/{_NAME}/{_NAME}|{CHECKPOINT}({_NAME}/)*{_NAME}",
    re.ASCII,
)
BLOCK_BYTES = 1 << 22


def to_json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def write_zip(stream: BinaryIO, small: dict[str, bytes], tree: Path, metadata: dict[str, Any]) -> None:
    """Writes every file uncompressed, followed by metadata.json with their sizes and hashes."""
    files = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in small.items():
            archive.writestr(zipfile.ZipInfo(name), content)
            files[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file in sorted(p for p in tree.rglob("*") if p.is_file()):
            name = f"{CHECKPOINT}{file.relative_to(tree).as_posix()}"
            with open(file, "rb") as source, archive.open(zipfile.ZipInfo(name), "w") as target:
                digest = hashlib.sha256()
                while block := source.read(BLOCK_BYTES):
                    digest.update(block)
                    target.write(block)
            files[name] = {"size": file.stat().st_size, "sha256": digest.hexdigest()}
        version = importlib.metadata.version("jaxspeech")
        content = {"format": FORMAT, "jaxspeech": version, "files": files, "metadata": metadata}
        archive.writestr(zipfile.ZipInfo("metadata.json"), to_json(content))


def verified_metadata(archive: zipfile.ZipFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verifies names and sizes of all members; returns the writer's metadata, and the list of the other members."""
    members = {member.filename: member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ArchiveError("two members have the same name")
    for name, member in members.items():
        if not MEMBER.fullmatch(name):
            raise ArchiveError(f"unexpected member {name!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ArchiveError(f"member {name!r} is compressed")
    if "metadata.json" not in members:
        raise ArchiveError("not a jaxspeech archive (no metadata.json)")
    content = json.loads(archive.read("metadata.json"))
    if content["format"] not in READABLE:
        raise ArchiveError(
            f"format {content['format']!r} is newer than this jaxspeech reads ({FORMAT}): update jaxspeech"
        )
    files = content["files"]
    if missing := sorted(set(files) ^ (set(members) - {"metadata.json"})):
        raise ArchiveError(f"its list of files and its members differ: {missing[0]!r}")
    for name, expected in files.items():
        if members[name].file_size != expected["size"]:
            raise ArchiveError(f"{name}: {members[name].file_size} bytes, expected {expected['size']}")
    return dict(content["metadata"]), files


def verify_hashes(archive: zipfile.ZipFile, files: dict[str, Any], chosen: Callable[[str], bool]) -> None:
    """Verifies the content of the members that are `chosen`."""
    for name in filter(chosen, files):
        digest = hashlib.sha256()
        with archive.open(name) as member:
            while block := member.read(BLOCK_BYTES):
                digest.update(block)
        if digest.hexdigest() != files[name]["sha256"]:
            raise ArchiveError(f"{name} is damaged (SHA-256 differs)")
