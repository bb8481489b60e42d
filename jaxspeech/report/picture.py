"""Draws spectrograms and writes them as PNG files, with the standard library alone."""

import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8

# From black through purple and orange to pale yellow, in even steps of lightness: readable in greyscale too.
_STOPS = np.array([[4, 4, 16], [66, 15, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]])
COLORS = np.stack([np.interp(np.linspace(0, 5, 256), np.arange(6), stop) for stop in _STOPS.T], axis=1).astype(np.uint8)
ALIGNMENT_ROWS = 6
_BANDS = np.array([[90, 170, 255], [255, 190, 70]], np.uint8)


def spectrogram(
    features: Float[np.ndarray, "T F"], *, height: int = 80, limits: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "H T 3"]:
    """Draws a spectrogram, low frequencies at the bottom.

    Each mel bin is repeated so that the image comes close to `height`. `limits` are the darkest and the brightest
    level; by default the darkest and the brightest per cent are clipped.
    """
    low, high = np.percentile(features, [1, 99]) if features.size else (0.0, 1.0)
    if limits is not None:
        low, high = limits
    levels = np.clip((features - low) / max(float(high - low), 1e-6), 0, 1)
    image = COLORS[(levels * 255).astype(np.uint8)]
    return np.repeat(image.transpose(1, 0, 2)[::-1], max(1, round(height / max(features.shape[1], 1))), axis=0)


def with_alignment(
    image: UInt8[np.ndarray, "H T 3"], spans: list[tuple[float, float]], *, seconds: float
) -> UInt8[np.ndarray, "R T 3"]:
    """Adds a band below a spectrogram of `seconds` seconds that shows the spans of tokens in alternating colours."""
    band = np.zeros((ALIGNMENT_ROWS + 2, image.shape[1], 3), np.uint8)
    scale = image.shape[1] / seconds if seconds else 0.0
    for i, (start, end) in enumerate(spans):
        first = min(int(start * scale), image.shape[1] - 1)
        band[2:, first : max(int(end * scale), first + 1)] = _BANDS[i % 2]
    return np.concatenate([image, band])


def png(image: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Encodes a PNG file (https://www.w3.org/TR/png/): 8 bits per channel, rows unfiltered."""
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = image.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
