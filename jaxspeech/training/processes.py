"""Multi-process training: how the processes find each other, and what only one of them does.

    python train.py --coordinator=10.0.0.1:9000 --num_processes=2 --process_id=0     (and 1 on the other host)
    srun python train.py                                                             (reads SLURM's variables)
    mpirun -n 2 python train.py --coordinator=10.0.0.1:9000                          (Open MPI's lack the address)

All processes run the whole program on the same data plan. Only process 0, the leader, prints, logs and writes the
archive; checkpoints are written by all, each its own part.
"""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError
from jaxspeech.runtime.environment import whole_number
from jaxspeech.runtime.platform import say_now

# The environment variables in which launchers pass the number of processes and a process's own number.
LAUNCHERS = (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))


class Place(NamedTuple):
    """The place of one process among several; with coordinator "", JAX finds the address in the environment."""

    coordinator: str
    num_processes: int
    process_id: int


def find_place(
    *,
    coordinator: str = "",
    num_processes: int | None = None,
    process_id: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Place | None:
    """Finds this process's place from the flags or else the launcher's variables; None for a single process.

    Raises:
      ConfigError: the place is incomplete or impossible.
    """
    launched = next(((size, rank) for size, rank in LAUNCHERS if size in environment and rank in environment), None)
    if launched and num_processes is None and process_id is None:
        num_processes, process_id = (whole_number(environment, name) for name in launched)
    if num_processes is None and process_id is None and not coordinator:
        return None
    if num_processes is None or process_id is None:
        raise ConfigError("several processes: --num_processes and --process_id are both needed")
    if not 0 <= process_id < num_processes:
        raise ConfigError(
            f"--process_id={process_id}: with --num_processes={num_processes} it must be from 0 to {num_processes - 1}"
        )
    if num_processes == 1:
        return None
    found_by_jax = "SLURM_STEP_NODELIST" in environment or "OMPI_MCA_orte_hnp_uri" in environment
    if not coordinator and not found_by_jax:
        raise ConfigError("several processes: --coordinator=HOST:PORT has to name a free port on process 0's host")
    host, _, port = coordinator.rpartition(":")
    if coordinator and not (host and port.isdigit()):
        raise ConfigError(f"--coordinator={coordinator}: expected HOST:PORT, on process 0's host")
    return Place(coordinator, num_processes, process_id)


def join(place: Place, *, timeout: int = 300) -> str:
    """Starts `jax.distributed` and waits for the other processes; returns the coordinator's address.

    If they have not all joined after `timeout` seconds, the process ends with one line.
    """

    def give_up() -> None:
        where = place.coordinator or "the coordinator that the launcher names"
        line = (
            f"{os.path.basename(sys.argv[0])}: not all {place.num_processes} processes joined {where} in {timeout} s\n"
        )
        say_now(line)
        os._exit(2)

    alarm = threading.Timer(timeout, give_up)  # JAX would end the process with a page of output
    alarm.daemon = True
    alarm.start()
    timeout += 60
    # Keeps JAX from catching SIGTERM: the training loop does, and agrees with the other processes when to stop.
    jax.config.update("jax_enable_preemption_service", False)
    # Else two programs could run at once on CPU, and collectives of different programs meet across processes.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    if place.coordinator:
        jax.distributed.initialize(
            place.coordinator,
            num_processes=place.num_processes,
            process_id=place.process_id,
            initialization_timeout=timeout,
        )
    else:
        jax.distributed.initialize(initialization_timeout=timeout)
    alarm.cancel()
    from jax._src.distributed import global_state  # the address that JAX found has no public API

    return place.coordinator or str(global_state.coordinator_address)


def is_leader() -> bool:
    """Whether this process prints, logs and writes files."""
    return jax.process_index() == 0


@contextlib.contextmanager
def only_leader_prints() -> Iterator[None]:
    """Silences the standard output of all processes except the leader; their errors are still printed."""
    if is_leader():
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@contextlib.contextmanager
def leader_first(what: str) -> Iterator[None]:
    """Runs the block in the leader first, then in the other processes, which find the leader's files."""
    several = jax.process_count() > 1
    if several and not is_leader():
        multihost_utils.sync_global_devices(what)
    yield
    if several and is_leader():
        multihost_utils.sync_global_devices(what)


def as_leader(holds: bool) -> bool:
    """Broadcasts the leader's value to all processes; all of them have to call it."""
    return bool(multihost_utils.broadcast_one_to_all(np.bool_(holds)))


def gather(tree: Any) -> Any:
    """Gathers arrays that are split over devices and processes into NumPy arrays; all processes have to call it.

    Arrays are gathered one by one, so that a device never holds more than one of them in full.
    """

    def fetch(x: Any) -> np.ndarray:
        if not isinstance(x, jax.Array) or x.is_fully_addressable or x.is_fully_replicated:
            return np.asarray(x)
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))

    return jax.tree.map(fetch, tree)


class SharedFlag:
    """Lets all processes agree on a signal: each calls `agreed(signal)` once a step, and all get the same answer.

    The answer is 0 until `DELAY` steps after a process was asked by a signal to stop; then it is that signal's number.
    No process waits: the reduction is queued on the devices after the current step, and its result is read later.
    """

    DELAY = 2

    def __init__(self, mesh: Mesh):
        self._several = jax.process_count() > 1
        self._place = NamedSharding(mesh, P(mesh.axis_names))
        self._highest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, P()))
        self._answers: deque[jax.Array] = deque()

    def __call__(self, signal: int) -> int:
        if not self._several:
            return signal
        votes = np.full(jax.local_device_count(), signal, np.int32)
        size = self._place.mesh.size
        self._answers.append(self._highest(jax.make_array_from_process_local_data(self._place, votes, (size,))))
        return int(self._answers.popleft()) if len(self._answers) > self.DELAY else 0


def leave(code: int) -> int:
    """Exits at once with `code` if the run has several processes, since JAX would wait for them; else returns it."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
