"""Runs an engine on recordings: its worker in the environment that has it, and what was measured there."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.engines.engine import ENGINES
from jaxspeech.errors import ConfigError, SpeechError

WORKERS = Path(__file__).parent / "workers"
# The folder from which this package is imported, which may be a checkout.
ROOT = Path(__file__).parents[2]
LONGEST_MESSAGE = 300


class EngineRun(NamedTuple):
    """What an engine has done; sizes are in bytes, times in seconds, and what is not known is None.

    Attributes:
      texts: one for each recording.
      seconds: for all recordings, after warming up.
      load_seconds: for the model.
      memory: the most that its process has held, its libraries included.
      model_bytes: of the model's file or folder.
      packages, package_bytes: installed for it, all that they need included.
      device: on which it ran, such as "cpu".
      version: of the engine.
    """

    texts: tuple[str, ...]
    seconds: float
    load_seconds: float
    memory: int | None
    model_bytes: int | None
    packages: int | None
    package_bytes: int | None
    device: str | None
    version: str | None


def run_engine(
    name: str,
    model: str,
    audio: Sequence[str],
    *,
    python: str = sys.executable,
    warm_up: Sequence[str] = (),
    batch_size: int = 16,
    language: str = "",
) -> EngineRun:
    """Runs an engine, and waits for it.

    Args:
      name: one of `ENGINES`.
      model: what it loads.
      audio: WAV files, 16 kHz, one channel.
      python: of the environment in which it is installed.
      warm_up: files that are transcribed before time is measured.
      batch_size: recordings at a time, where the engine has batches.
      language: that is spoken, for an engine that would guess it; "" lets it.

    Raises:
      SpeechError: it failed; the message is its own.
    """
    engine = ENGINES[name]
    with tempfile.TemporaryDirectory() as folder:
        output, log = Path(folder, "results.json"), Path(folder, "log")
        given = os.path.abspath(model) if name != "command" and os.path.exists(model) else model
        job = {"model": given, "audio": list(audio), "warm_up": list(warm_up), "batch_size": batch_size}
        job |= {"language": language, "packages": engine.packages, "output": str(output)}
        Path(folder, "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [python, str(WORKERS / engine.worker), str(Path(folder, "job.json"))]
        with open(log, "wb") as file:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=_variables(name, python)
            ).returncode
        try:
            found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {"error": f"ended with status {status}: {_last_line(log)}"}
        if "error" in found:
            raise SpeechError(f"{name}: {found['error'][:LONGEST_MESSAGE]}")
    packages = found["packages"]
    return EngineRun(
        tuple(found["texts"]),
        found["seconds"],
        found["load_seconds"],
        found["memory"],
        size_of(found.get("files") or model) if name != "command" else None,
        packages["count"] or None,
        packages["bytes"] or None,
        found["device"],
        found["version"],
    )


def size_of(path: str) -> int | None:
    """The size of a file, or of all files in a folder, in bytes; None if it is neither."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    if not os.path.isdir(path):
        return None
    return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())


def _variables(name: str, python: str) -> dict[str, str]:
    """The environment variables of the process: no modules of this environment reach another one, but a command's."""
    if name == "command":
        return dict(os.environ)
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    return variables | ({"PYTHONPATH": str(ROOT)} if name == "jaxspeech" and python == sys.executable else {})


def check_engine(name: str, *, python: str = sys.executable) -> None:
    """Checks that an engine can be imported in an environment.

    Args:
      name: one of `ENGINES`.
      python: of the environment.

    Raises:
      ConfigError: it is not installed there, or there is no such program.
    """
    module = ENGINES[name].module
    python = os.path.abspath(python) if os.path.exists(python) else python
    program = f"import importlib.util, sys; sys.exit(bool({module!r}) and importlib.util.find_spec({module!r}) is None)"
    quiet: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        with tempfile.TemporaryDirectory() as folder:  # a folder of the module's name, where we are, is not it
            where: Any = {"cwd": folder, "env": _variables(name, python)}
            missing = subprocess.run([python, "-c", program], **where, **quiet).returncode
    except OSError as error:
        raise ConfigError(f"--python={python}: cannot be run ({error.strerror})") from error
    if missing:
        package = ENGINES[name].packages[0]
        raise ConfigError(
            f"{name} is not installed in the environment of {python}: pip install {package!r} there, or name another "
            f"one with --python={name}:PYTHON"
        )


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing")
