"""How processes find their place, and how a single process behaves."""

import jax
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.processes import Place, SharedFlag, find_place, gather, is_leader, leader_first
from jaxspeech.training.sharding import make_mesh, process_share

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_STEP_NODELIST": "node[1-4]"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}


def test_a_process_finds_its_place_in_flags_or_variables():
    assert find_place(environment={}) is None
    assert find_place(environment={"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) is None  # sbatch's own, outside srun
    assert find_place(environment=SLURM) == Place("", 4, 2)
    assert find_place(environment={"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) is None
    assert find_place(coordinator="a:1", environment=OPEN_MPI) == Place("a:1", 2, 1)
    assert find_place(coordinator="a:1", num_processes=3, process_id=0, environment=SLURM) == Place("a:1", 3, 0)


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"coordinator": "a:1"}, {}, "--num_processes and --process_id are both needed"),
        ({"num_processes": 2}, {}, "--num_processes and --process_id are both needed"),
        ({"num_processes": 2, "process_id": 2}, {}, "--process_id=2"),
        ({"num_processes": 2, "process_id": 0}, {}, "--coordinator=HOST:PORT has to name"),
        ({}, OPEN_MPI, "--coordinator=HOST:PORT has to name"),
        ({"coordinator": "host", "num_processes": 2, "process_id": 0}, {}, "expected HOST:PORT"),
    ],
)
def test_an_incomplete_place_is_reported(flags, environment, message):
    with pytest.raises(ConfigError, match=message):
        find_place(**flags, environment=environment)


def test_one_process_leads_agrees_with_itself_and_has_everything():
    mesh = make_mesh()
    assert is_leader() and process_share(mesh) == (0, 1)
    agreed = SharedFlag(mesh)
    assert [agreed(0), agreed(15)] == [0, 15]
    with leader_first("nothing"):
        pass
    np.testing.assert_array_equal(gather({"x": jax.numpy.arange(3)})["x"], np.arange(3))
