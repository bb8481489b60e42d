"""A workdir is used by one run at a time."""

import os
import signal
import subprocess
import sys

import pytest

from jaxspeech.errors import SpeechError
from jaxspeech.training.workdir_lock import exclusive_workdir

HOLD = """
import sys, time
from pathlib import Path
from jaxspeech.training.workdir_lock import exclusive_workdir
with exclusive_workdir(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_until_the_first_has_ended_in_any_way(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "held\n"
    with pytest.raises(SpeechError, match="another process trains here"), exclusive_workdir(tmp_path):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    for _ in range(2):
        with exclusive_workdir(tmp_path):
            pass
