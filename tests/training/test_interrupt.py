"""Signals that ask a run to stop: a flag that the loop checks, and an exit code for each kind."""

import os
import signal
import threading

import pytest

from jaxspeech.training.interrupt import PREEMPTED, PREEMPTIONS, Interrupt, Preempted, preemptible


@pytest.mark.parametrize(
    ("request_", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, PREEMPTED), (signal.SIGUSR1, PREEMPTED), (signal.SIGHUP, PREEMPTED)],
)
def test_each_signal_sets_the_flag_and_the_exit_code(request_, code, capfd):
    before = signal.getsignal(request_)
    with Interrupt() as interrupted:
        assert not interrupted and interrupted.exit_code == 0
        os.kill(os.getpid(), request_)
        assert interrupted and interrupted.exit_code == code
    assert signal.getsignal(request_) is before
    assert "Stopping after this step" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_what_a_process_in_the_background_ignores_stays_ignored(name):
    """`nohup python train.py &`: Ctrl-C and the end of the terminal are for others; SIGTERM is not."""
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with preemptible(), Interrupt() as interrupted:
            os.kill(os.getpid(), number)
            assert not interrupted
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupted and interrupted.exit_code == PREEMPTED
    finally:
        signal.signal(number, before)


def test_the_end_of_a_terminal_may_be_reported_twice():
    """By the shell and by the system; the run still saves its state."""
    with Interrupt() as interrupted:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupted and interrupted.exit_code == PREEMPTED


def test_a_run_in_another_thread_leaves_signals_alone():
    def run() -> None:
        with preemptible(), Interrupt() as interrupted:
            found.append(bool(interrupted))

    found: list[bool] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]


@pytest.mark.parametrize("request_", PREEMPTIONS)
def test_outside_the_loop_a_preemption_is_raised(request_):
    before = signal.getsignal(request_)
    with pytest.raises(Preempted), preemptible():
        with Interrupt() as interrupted:  # the loop checks the flag; nothing is raised
            os.kill(os.getpid(), request_)
            assert interrupted
        os.kill(os.getpid(), request_)
    assert signal.getsignal(request_) is before
