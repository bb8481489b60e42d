"""Several processes that train one model: how they find each other, and what only one of them does.

    python train.py --coordinator=10.0.0.1:9000 --num_processes=2 --process_id=0     (and 1 on the other host)
    srun python train.py                                                             (SLURM's variables say it)
    mpirun -n 2 python train.py --coordinator=10.0.0.1:9000                          (Open MPI's, all but where)

All of them run the whole program on the same data plan. Process 0, the leader, alone prints, logs and writes the
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

# What a launcher calls the number of processes and a process's own number.
LAUNCHERS = (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))


class Place(NamedTuple):
    """One process among several; coordinator "" leaves the address to what JAX finds in the environment."""

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
    """This process's place as the flags and, where they are silent, the launcher's variables tell; None when alone.

    Raises:
      ConfigError: only a part of it is known, or it is impossible.
    """
    launched = next(((size, rank) for size, rank in LAUNCHERS if size in environment and rank in environment), None)
    if launched and num_processes is None and process_id is None:
        num_processes, process_id = (int(environment[name]) for name in launched)
    if num_processes is None and process_id is None and not coordinator:
        return None
    if num_processes is None or process_id is None:
        raise ConfigError("several processes: --num_processes and --process_id are both needed")
    if not 0 <= process_id < num_processes:
        raise ConfigError(
            f"--process_id={process_id}: with --num_processes={num_processes} it is below that, from 0 on"
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
    """Starts `jax.distributed` and waits for the others; returns the coordinator's address.

    Where they have not all come after `timeout` seconds, the process ends with one line.
    """

    def give_up() -> None:
        where = place.coordinator or "the coordinator that the launcher names"
        line = (
            f"{os.path.basename(sys.argv[0])}: not all {place.num_processes} processes came to {where} in {timeout} s\n"
        )
        os.write(sys.stderr.fileno(), line.encode())
        os._exit(2)

    alarm = threading.Timer(timeout, give_up)  # JAX itself ends the process, with a page of its own
    alarm.daemon = True
    alarm.start()
    timeout += 60
    # JAX would catch SIGTERM; the training loop does, and agrees with the others when to stop.
    jax.config.update("jax_enable_preemption_service", False)
    # On CPUs two programs would run at once, and the exchanges of one process meet those of another program elsewhere.
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
    from jax._src.distributed import global_state  # where JAX found it; there is no public way to ask

    return place.coordinator or str(global_state.coordinator_address)


def is_leader() -> bool:
    """Whether this process prints, logs and writes files."""
    return jax.process_index() == 0


@contextlib.contextmanager
def only_leader_prints() -> Iterator[None]:
    """Nothing goes to the standard output of the others; their errors are still told."""
    if is_leader():
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@contextlib.contextmanager
def leader_first(what: str) -> Iterator[None]:
    """The leader does what is inside, then the others, who find its files."""
    several = jax.process_count() > 1
    if several and not is_leader():
        multihost_utils.sync_global_devices(what)
    yield
    if several and is_leader():
        multihost_utils.sync_global_devices(what)


def as_leader(holds: bool) -> bool:
    """What holds for the leader, for all; all processes have to call it."""
    return bool(multihost_utils.broadcast_one_to_all(np.bool_(holds)))


def gather(tree: Any) -> Any:
    """Arrays, however they are split over devices and processes, as NumPy arrays; all processes have to call it.

    One array after the other, so that a device never holds more than one of them whole.
    """

    def fetch(x: Any) -> np.ndarray:
        if not isinstance(x, jax.Array) or x.is_fully_addressable or x.is_fully_replicated:
            return np.asarray(x)
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))

    return jax.tree.map(fetch, tree)


class SharedFlag:
    """`agreed(signal)`, called by all processes once a step: the same answer for all at the same step.

    0, until `DELAY` steps after some process was asked by a signal to stop; then that signal's number. Nobody waits:
    the question goes to the devices behind the step that they are at, and its answer is looked at later.
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
    """Ends a process that failed, if it has others, at once: JAX would wait for them, and they end too."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
