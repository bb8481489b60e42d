"""The benchmarks use the package as it is: every case can be made, and has a description."""

from benchmarks.__main__ import CPU_CASES, GPU_CASES


def test_every_case_can_be_called():
    assert len(CPU_CASES) > 30 and len(GPU_CASES) > 10
    assert all(callable(case) for case in (CPU_CASES | GPU_CASES).values())
