"""Requests to stop: asked once between two steps, each kind with an exit code of its own."""

import os
import signal

import pytest

from jaxspeech.training.interrupt import PREEMPTED, Interrupt


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
