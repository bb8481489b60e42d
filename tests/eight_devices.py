"""A process with eight virtual devices that runs programs of tests; each worker starts it once, which takes seconds."""

import atexit
import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import IO, NamedTuple

from tests.quick_compile import QUICK_COMPILE

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 600


class _Process(NamedTuple):
    process: subprocess.Popen[str]
    errors: IO[str]


@functools.cache
def _started() -> _Process:
    flags = f"--xla_force_host_platform_device_count=8 {QUICK_COMPILE}"
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  lasts as long as the process
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.eight_devices"],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    atexit.register(process.kill)
    return _Process(process, errors)


def on_eight_devices(program: str) -> str:
    """Runs a program where there are eight devices; returns what it prints, and fails with its traceback."""
    process, errors = _started()
    assert process.stdin is not None and process.stdout is not None
    limit = threading.Timer(MOST_SECONDS, process.kill)
    limit.start()
    try:
        process.stdin.write(json.dumps(program) + "\n")
        process.stdin.flush()
        reply = process.stdout.readline()
    except BrokenPipeError:
        reply = ""
    finally:
        limit.cancel()
    if not reply:
        _started.cache_clear()
        errors.seek(0)
        raise AssertionError(f"the process ended with {process.wait()}: {errors.read()[-5000:]}")
    found = json.loads(reply)
    assert not found["error"], found["error"]
    return found["printed"]


def _serve() -> None:
    """Runs one program after the other, each with names of its own."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # only replies go to the test
    for line in sys.stdin:
        printed, error = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
        print(json.dumps({"printed": printed.getvalue(), "error": error}), file=replies, flush=True)


if __name__ == "__main__":
    _serve()
