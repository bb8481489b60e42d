"""Decodes what libsndfile cannot read (m4a, mp4, aac, webm, wma, mka, amr, 3gp, ...) with the command ffmpeg.

The command is the one on the PATH, or the one in the package imageio-ffmpeg (the extra "ffmpeg").
"""

import contextlib
import importlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.pcm import read_wav_header
from jaxspeech.audio.pieces import read_at
from jaxspeech.errors import AudioError

_BLOCK_BYTES = 1 << 20
# A file may say that it is this much longer than its sound, in seconds and as a share.
_TOLERANCE = 0.5, 0.02
_NAMES = (  # (place, bytes): what begins so
    (4, b"ftyp", "MPEG-4 (m4a, mp4, 3gp, mov)"),
    (4, b"moov", "QuickTime (mov)"),
    (4, b"mdat", "QuickTime (mov)"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska (webm, mka, mkv)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (wma, asf)"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b".RMF", "RealMedia"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"ADIF", "AAC"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"\xff\xf0", "AAC"),
    (0, b"\xff\xf8", "AAC"),
    (0, b"TTA1", "True Audio"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
)


def name_format(file: Any) -> str:
    """The name of a format that ffmpeg reads and libsndfile does not; "" for any other."""
    head = read_at(file, 0, 16)
    return next((name for place, magic, name in _NAMES if head[place : place + len(magic)] == magic), "")


def find_ffmpeg() -> str | None:
    """The path of the command, if there is one."""
    found = shutil.which("ffmpeg")
    if found is None:
        with contextlib.suppress(ImportError, RuntimeError):
            found = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    return found


class Decoded:
    """A file's first sound track, decoded by ffmpeg from its start.

    Attributes:
      rate: of the samples, in Hz.
      channels: their number.
      frames: None, since what such files say about it is not relied upon.
      position: samples decoded so far in each channel.
    """

    def __init__(self, command: str, path: str, *, name: str):
        """Starts the command; raises AudioError if it finds no sound."""
        self._name = name
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  closed in `close`
        # Only local files: a playlist must not reach out to the network.
        line = [command, "-nostdin", "-hide_banner", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
        line += ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
        self._process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._messages, bufsize=1 << 16
        )
        self.frames: int | None = None
        self.position = 0
        header = read_wav_header(self._process.stdout)
        if header is None:
            reason = self._reason()
            self.close()
            raise AudioError(f"{name}: ffmpeg cannot read it ({reason})")
        self.rate, self.channels = header.rate, header.channels

    def blocks(self, start: int, count: int | None) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yields `count` samples from `start`; None: all that follow.

        Raises:
          AudioError: the file ends before what it says of its length.
        """
        width = 4 * self.channels
        pipe: Any = self._process.stdout
        stop = None if count is None else start + count
        while stop is None or self.position < stop:
            data = pipe.read(_BLOCK_BYTES // width * width)
            block = np.frombuffer(data[: len(data) // width * width], "<f4").reshape(-1, self.channels)
            if not len(block):
                self._check_end()
                return
            first, self.position = self.position, self.position + len(block)
            inside = block[max(0, start - first) : None if stop is None else max(0, stop - first)]
            if len(inside):
                yield inside

    def close(self) -> None:
        """Ends the command."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
        self._messages.close()

    def _check_end(self) -> None:
        if self._process.wait():
            raise AudioError(f"{self._name}: damaged: {self._reason()}")
        text = self._text()
        said = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", text)
        if said is None or "Estimating duration" in text or ": Video:" in text:
            return
        seconds, got = int(said[1]) * 3600 + int(said[2]) * 60 + float(said[3]), self.position / self.rate
        if got < seconds - max(_TOLERANCE[0], _TOLERANCE[1] * seconds):
            raise AudioError(f"{self._name}: damaged or truncated: {got:.2f} s of its {seconds:.2f} s can be read")

    def _reason(self) -> str:
        """ffmpeg's own words."""
        self._process.wait()
        lines = [line.strip() for line in self._text().splitlines() if line.strip()]
        said = [
            line.rpartition("] ")[2] for line in lines if "rror" in line or "nvalid" in line or "matches no" in line
        ]
        return (said or lines or ["no message"])[0][:200]

    def _text(self) -> str:
        self._messages.seek(0)
        return self._messages.read(1 << 20).decode(errors="replace")
