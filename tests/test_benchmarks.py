"""The benchmarks use the package as it is: every case can be made, and has a description."""

import sys

import pytest

from benchmarks import on_targets
from benchmarks.__main__ import CPU_CASES, GPU_CASES, main


def test_every_case_can_be_called():
    assert len(CPU_CASES) > 30 and len(GPU_CASES) > 10
    assert all(callable(case) for case in (CPU_CASES | GPU_CASES).values())


def test_a_case_here_is_not_the_program_of_the_same_name_for_other_devices(monkeypatch, capsys):
    assert "train_fastpitch" in on_targets.CASES
    monkeypatch.setitem(CPU_CASES, "train_fastpitch", lambda repeat: {"measured": repeat})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only=train_fastpitch", "--repeat=3"])
    assert main() == 0
    assert '"measured": 3' in capsys.readouterr().out


def test_a_case_for_other_devices_needs_their_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only=infer_ctc_115m"])
    with pytest.raises(SystemExit):
        main()
    assert "--only: infer_ctc_115m is for devices that --target names" in capsys.readouterr().err
