"""Ends all processes of a run, each with one clear line, within a minute after one of them is lost.

JAX notices a lost process too, but later, and then ends the others with pages of output.

Process 0 listens; every other process holds a connection to it. Both ends send "alive" every few seconds and "done"
when they finish. A connection that closes or falls silent before "done" means a lost process; process 0 notifies the
others.
"""

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxspeech.errors import SpeechError
from jaxspeech.runtime.platform import say_now
from jaxspeech.training.processes import find_place, join, leave, only_leader_prints

BEAT, SILENCE = 5.0, 40.0  # seconds between two messages, and without one until a process counts as lost
EXIT_LOST = 75  # EX_TEMPFAIL of sysexits.h: try again


@contextlib.contextmanager
def together(*, coordinator: str, num_processes: int | None, process_id: int | None) -> Iterator[None]:
    """Joins the run's other processes, if it has any, and watches them during the block; only the leader prints.

    Args:
      coordinator, num_processes, process_id: as in `find_place`.

    Raises:
      ConfigError: the place of this process is incomplete or impossible.
    """
    place = find_place(coordinator=coordinator, num_processes=num_processes, process_id=process_id)
    with watched(join(place) if place else ""), only_leader_prints():
        yield


@contextlib.contextmanager
def watched(coordinator: str) -> Iterator[None]:
    """Ends this process if another process of the run is lost during the block.

    Args:
      coordinator: HOST:PORT of `jax.distributed`; the watchdog opens another port on that host.
    """
    if jax.process_count() == 1:
        yield
        return
    watchdog = Watchdog(coordinator.rpartition(":")[0].strip("[]"))
    try:
        yield
        watchdog.say_done()
    except (SpeechError, OSError, KeyboardInterrupt):
        raise  # this process's own error: the others notice when it ends
    except Exception:
        # The loss of another process makes collectives fail: gives the watchdog time to name it and end this process.
        time.sleep(2 * BEAT)
        traceback.print_exc()
        leave(1)
    finally:
        watchdog.close()


class Watchdog:
    """The connections of one process, each with a thread that listens."""

    def __init__(self, host: str, *, end: Callable[[int], None] | None = None):
        self._me, self._count = jax.process_index(), jax.process_count()
        self._end = end or self._exit
        self._peers: dict[int, socket.socket] = {}
        self._done: set[int] = set()
        self._closed = False
        self._connect(host)
        threading.Thread(target=self._beat, daemon=True).start()

    def say_done(self) -> None:
        """Announces that this process ends normally."""
        self._say("done")

    def close(self) -> None:
        self._closed = True
        for peer in self._peers.values():
            # Not close(): its thread is still reading.
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def _connect(self, host: str) -> None:
        address = socket.gethostbyname(host)
        if self._me == 0:
            server = socket.create_server(("127.0.0.1" if address.startswith("127.") else "", 0))
            invitation = np.array([server.getsockname()[1], secrets.randbits(31)], np.int32)
            multihost_utils.broadcast_one_to_all(invitation)
            while len(self._peers) < self._count - 1:
                peer, _ = server.accept()
                peer.settimeout(SILENCE)
                reader = peer.makefile("r")
                secret, _, number = reader.readline().partition(" ")
                if secret == str(invitation[1]):  # ignores connections of other programs
                    self._listen(int(number), peer, reader)
            server.close()
        else:
            port, secret = (int(x) for x in multihost_utils.broadcast_one_to_all(np.zeros(2, np.int32)))
            peer = socket.create_connection((address, port), timeout=SILENCE)
            peer.sendall(f"{secret} {self._me}\n".encode())
            self._listen(0, peer, peer.makefile("r"))

    def _listen(self, number: int, peer: socket.socket, reader) -> None:
        self._peers[number] = peer
        threading.Thread(target=self._read, args=(number, reader), daemon=True).start()

    def _read(self, number: int, reader) -> None:
        lost = number
        with contextlib.suppress(OSError):  # silence, or a broken connection
            for line in reader:
                word, _, rest = line.strip().partition(" ")
                if word == "done":
                    self._done.add(number)
                if word == "lost":
                    lost = int(rest)
                    break
        if not self._closed and (lost != number or number not in self._done):
            self._say(f"lost {lost}")
            self._end(lost)

    def _beat(self) -> None:
        while not self._closed:
            self._say("alive")
            time.sleep(BEAT)

    def _say(self, word: str) -> None:
        for peer in list(self._peers.values()):
            with contextlib.suppress(OSError):  # the thread that listens notices
                peer.sendall(f"{word}\n".encode())

    def _exit(self, lost: int) -> None:
        script = os.path.basename(sys.argv[0])
        line = (
            f"\n{script}: process {lost} of {self._count} is lost, so process {self._me} ends too; "
            "start the run again to resume from the last checkpoint\n"
        )
        say_now(line)
        os._exit(EXIT_LOST)
