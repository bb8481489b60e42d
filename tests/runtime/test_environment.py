"""What a user can change is one line; what is an error of the program stays an exception."""

import os
import subprocess
import sys

import pytest

from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.runtime import cache_folder
from jaxspeech.runtime.command import run
from jaxspeech.runtime.environment import explain, whole_number
from tests.test_imports import ROOT


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AudioError("a.wav: is empty"), "a.wav: is empty"),
        (OSError(2, "No such file or directory", "x"), "x: No such file or directory"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (MemoryError(), "not enough memory; "),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore"), "RESOURCE_EXHAUSTED: Out of memory"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (ModuleNotFoundError("No module named 'soundfile'", name="soundfile"), "No module named 'soundfile': install"),
        (ImportError("libcudnn.so: cannot open shared object file", name="x"), "libcudnn.so: cannot open"),
    ],
)
def test_the_environment_is_one_line(error, line, capsys):
    def fails():
        raise error

    assert run(fails, name="x") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("x: ") and line in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [RuntimeError("x"), AssertionError(), KeyError("x"), ModuleNotFoundError("No module named x", name="jaxspeech.x")],
)
def test_an_error_of_the_program_is_raised(error):
    assert explain(error) is None
    with pytest.raises(type(error)):
        run(lambda: [][0] if error is None else (_ for _ in ()).throw(error))


def test_settings_that_jax_refuses_are_one_line():
    program = """
import sys
from jaxspeech.runtime.command import run
def work():
    import jax
    jax.devices()
sys.exit(run(work))
"""
    environment = os.environ | {"JAX_PLATFORMS": "nonsense"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=ROOT)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and last.startswith("error: JAX cannot start (Unable to initialize backend 'nonsense'")
    assert "JAX_PLATFORMS=nonsense" in last and "jaxspeech" not in done.stderr


def test_a_folder_that_was_deleted_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x").rmdir()
    assert run(lambda: len(os.getcwd()), name="x") == 2
    assert capsys.readouterr().err == "x: the current folder does not exist any more: change to another one\n"


def test_a_launcher_that_gives_no_number():
    assert whole_number({"SLURM_PROCID": "3"}, "SLURM_PROCID") == 3
    with pytest.raises(ConfigError, match="variable SLURM_PROCID is 'many', not a whole number"):
        whole_number({"SLURM_PROCID": "many"}, "SLURM_PROCID")


def test_a_user_without_a_home(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", _no_entry)
    with pytest.raises(OSError, match="there is no home folder: set HOME"):
        cache_folder.user_cache("xla")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert str(cache_folder.user_cache("xla")) == "/x/jaxspeech/xla"


def _no_entry(number: int):
    raise KeyError(f"getpwuid(): uid not found: {number}")
