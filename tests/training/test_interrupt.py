"""Requests to stop: asked once between two steps, each kind with an exit code of its own."""

import os
import signal

import pytest

from jaxspeech.training.interrupt import PREEMPTED, PREEMPTIONS, Interrupt, Preempted, preemptible


@pytest.mark.parametrize(
    ("request_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, PREEMPTED), (signal.SIGUSR1, PREEMPTED)]
)
def test_each_request_is_a_question_and_an_exit_code(request_, code, capfd):
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
        with Interrupt() as interrupted:  # the loop asks, and raises nothing
            os.kill(os.getpid(), request_)
            assert interrupted
        os.kill(os.getpid(), request_)
    assert signal.getsignal(request_) is before
