"""Makes small recordings of 16 kinds and damages them as disks, pipes, recorders and people do."""

import io
import struct
from typing import NamedTuple

import numpy as np
import soundfile

RATE = 8000
KINDS = {  # name: (format, subtype, channels)
    "wav": ("WAV", "PCM_16", 1),
    "wav 24 bits": ("WAV", "PCM_24", 2),
    "wav float": ("WAV", "FLOAT", 1),
    "wav u-law": ("WAV", "ULAW", 1),
    "wav adpcm": ("WAV", "IMA_ADPCM", 1),
    "wav gsm": ("WAV", "GSM610", 1),
    "rf64": ("RF64", "PCM_16", 1),
    "w64": ("W64", "PCM_16", 1),
    "aiff": ("AIFF", "PCM_16", 2),
    "au": ("AU", "PCM_16", 1),
    "caf": ("CAF", "ALAC_16", 1),
    "flac": ("FLAC", "PCM_16", 1),
    "vorbis": ("OGG", "VORBIS", 1),
    "opus": ("OGG", "OPUS", 1),
    "mp3": ("MP3", "MPEG_LAYER_III", 1),
    "mp3 without header": ("MP3", "MPEG_LAYER_III", 1),
}
# What joined files are read of as a whole; the others have one recording.
JOINABLE = ("wav", "wav 24 bits", "wav float", "wav u-law", "flac", "vorbis", "opus", "mp3", "mp3 without header")


class Damaged(NamedTuple):
    """A file, what was done to it, and the seconds of audio that are in it for certain."""

    data: bytes
    how: str
    seconds: float


def tone(seconds: float, seed: int = 0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * (300 + 200 * time) * time) + 0.02 * noise).astype(np.float32)


def encode(kind: str, samples: np.ndarray, rate: int = RATE) -> bytes:
    form, subtype, channels = KINDS[kind]
    file = io.BytesIO()
    soundfile.write(file, np.stack([samples] * channels, 1), rate, format=form, subtype=subtype)
    data = file.getvalue()
    return without_first_frame(data) if kind == "mp3 without header" else data


def without_first_frame(mp3: bytes) -> bytes:
    """An MP3 as it is written to a pipe: without the first frame, which counts the others."""
    place = mp3.find(b"\xff", 4)
    while mp3[place : place + 2] != mp3[:2] or b"Xing" in mp3[place : place + 60] or b"Info" in mp3[place : place + 60]:
        place = mp3.find(b"\xff", place + 1)
    return mp3[place:]


def damage(kind: str, data: bytes, seconds: float, rng: np.random.Generator) -> Damaged:
    """One of the ways, at random."""
    ways = ["none", "flips", "header", "sizes", "cut", "junk", "tag", "joined", "zeros", "removed", "inserted"]
    way = str(rng.choice(ways))
    changed = bytearray(data)
    head = min(len(data), 96)
    if way == "none":
        return Damaged(data, way, seconds)
    if way in ("flips", "header"):
        for place in rng.integers(0, len(data) if way == "flips" else head, rng.integers(1, 6)):
            changed[place] = rng.integers(256)
        return Damaged(bytes(changed), way, 0.0)
    if way == "sizes":
        value = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE, 0x80000000]))
        place = int(rng.integers(0, head - 8))
        width, order = str(rng.choice(["I", "Q"])), str(rng.choice(["<", ">"]))
        changed[place : place + struct.calcsize(width)] = struct.pack(order + width, value)
        return Damaged(bytes(changed), f"{way} {value:#x} at {place}", 0.0)
    if way == "cut":
        return Damaged(data[: rng.integers(0, len(data))], way, 0.0)
    if way == "junk":
        return Damaged(data + rng.bytes(rng.integers(1, 300)), way, seconds)
    if way == "tag":
        size = int(rng.integers(1, 3000))
        coded = bytes([0, 0, size >> 7 & 0x7F, size & 0x7F])
        return Damaged(
            b"ID3\x03\x00\x00" + coded + b"\xff\xfb\x90\x00" * (size // 4) + b"\0" * (size % 4) + data, way, seconds
        )
    if way == "joined":
        return Damaged(data + data, way, 2 * seconds if kind in JOINABLE else seconds)
    start, count = int(rng.integers(0, len(data))), int(rng.integers(1, 400))
    if way == "zeros":
        changed[start : start + count] = bytes(len(changed[start : start + count]))
    elif way == "removed":
        del changed[start : start + count]
    else:
        changed[start:start] = rng.bytes(count)
    return Damaged(bytes(changed), way, 0.0)
