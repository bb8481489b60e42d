"""Signals that ask a run to stop: a flag that the loop checks, and an exit code for each kind."""

import os
import signal

import pytest

from jaxspeech.training.interrupt import PREEMPTED, PREEMPTIONS, Interrupt, Preempted, preemptible


@pytest.mark.parametrize(
    ("request_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, PREEMPTED), (signal.SIGUSR1, PREEMPTED)]
)
def test_each_signal_sets_the_flag_and_the_exit_code(request_, code, capfd):
    before = signal.getsignal(request_)
    with Interrupt() as interrupted:
        assert not interrupted and interrupted.exit_code == 0
        os.kill(os.getpid(), request_)
        assert interrupted and interrupted.exit_code == code
    assert signal.getsignal(request_) is before
    assert "Stopping after this step" in capfd.readouterr().err


@pytest.mark.parametrize("request_", PREEMPTIONS)
def test_outside_the_loop_a_preemption_is_raised(request_):
    before = signal.getsignal(request_)
    with pytest.raises(Preempted), preemptible():
        with Interrupt() as interrupted:  # the loop checks the flag; nothing is raised
            os.kill(os.getpid(), request_)
            assert interrupted
        os.kill(os.getpid(), request_)
    assert signal.getsignal(request_) is before
