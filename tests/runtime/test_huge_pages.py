"""Huge pages are requested once, where they are available, and other settings are kept."""

import os
import subprocess
import sys

import pytest

from jaxspeech.runtime import huge_pages
from jaxspeech.runtime.platform import glibc_version

needs_glibc = pytest.mark.skipif(glibc_version() < huge_pages.FIRST_GLIBC, reason="needs glibc 2.35 or later")
PROGRAM = """
import os, sys
from pathlib import Path
from jaxspeech.runtime import huge_pages

huge_pages.POLICY = Path({policy!r})
print("began in", os.getpid(), flush=True)
huge_pages.restart_with_huge_pages()
print(os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:], sys.flags.utf8_mode, sys.stdin.read())
"""


@pytest.fixture
def policy(tmp_path):
    def write(content):
        path = tmp_path / "enabled"
        path.write_text(content)
        return path

    return write


def run(tmp_path, policy, **environment):
    """Run the program with a Python option, arguments and standard input; return the lines that it prints."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(policy=str(policy)))
    clean = {name: value for name, value in os.environ.items() if name != huge_pages.VARIABLE}
    command = [sys.executable, "-X", "utf8", str(program), "--config=a b", ""]
    done = subprocess.run(
        command, env=clean | environment, input="said", capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


@needs_glibc
def test_a_program_restarts_once_with_the_same_arguments(tmp_path, policy):
    first, second, last = run(tmp_path, policy("always [madvise] never\n"))
    assert first == second  # the same process
    assert last == f"{first.split()[-1]} glibc.malloc.hugetlb=1 ['--config=a b', ''] 1 said"


@pytest.mark.parametrize("mode", ["[always] madvise never", "always madvise [never]"])
def test_nothing_happens_where_it_would_change_nothing(tmp_path, policy, mode):
    assert len(run(tmp_path, policy(mode))) == 2


def test_small_pages_can_be_kept(tmp_path, policy):
    lines = run(tmp_path, policy("always [madvise] never"), GLIBC_TUNABLES="glibc.malloc.hugetlb=0")
    assert len(lines) == 2 and "hugetlb=0 " in lines[1]


def test_other_systems_have_no_such_file(tmp_path, monkeypatch):
    monkeypatch.setattr(huge_pages, "POLICY", tmp_path / "missing")
    assert not huge_pages.may_ask()


def test_other_tunables_are_kept():
    assert huge_pages.tunables({"GLIBC_TUNABLES": "glibc.malloc.check=1"}).split(":") == [
        "glibc.malloc.check=1",
        "glibc.malloc.hugetlb=1",
    ]
    assert huge_pages.tunables({}) == "glibc.malloc.hugetlb=1"
