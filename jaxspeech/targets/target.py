"""Describes devices that this machine does not have, so that programs can be compiled for them.

XLA's compilers need a description of the device, not the device. What comes back is what the device would run: memory,
kernels, loops, collectives. Nothing is executed, and kernels are not tuned by timing them.
"""

import os
from importlib import resources
from typing import Any, NamedTuple

from jaxspeech.errors import ConfigError
from jaxspeech.targets.hardware import Hardware, of_kind, parse_target

# The devices that JAX finds.
THIS = "this"
# Without these, the TPU compiler looks for a TPU.
TPU_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
# There is no device on which variants of a kernel could be timed. Products are cuBLAS's, which tuning finds best for
# large ones.
UNTUNED = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"


class Target(NamedTuple):
    """Devices to compile for.

    Attributes:
      name: as it was asked for, such as "h200x8".
      hardware: facts about one of them.
      devices: as JAX describes them; unless they are those that are here, no array can be put on them.
    """

    name: str
    hardware: Hardware
    devices: list[Any]


def prepare_environment(name: str) -> None:
    """Sets the environment for compiling; to be called before JAX is used for the first time, imported or not.

    Args:
      name: of the target.

    Raises:
      ConfigError: the name is unknown.
    """
    if name == THIS:
        return
    parse_target(name)
    import jax

    for name, value in TPU_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    jax.config.update("jax_platforms", "cpu")
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {UNTUNED}".strip()


def find_target(name: str) -> Target:
    """Describes a target; see `hardware.parse_target` for its name. "this" stands for the devices that are here.

    Raises:
      ConfigError: the name is unknown, or the target's compiler is not installed.
    """
    import jax
    from jax.experimental import topologies

    from jaxspeech.training.memory import device_memory

    if name == THIS:
        devices = jax.devices()
        return Target(name, of_kind(devices[0].device_kind, devices[0].platform, float(device_memory())), devices)
    hardware, topology = parse_target(name)
    options: dict[str, Any] = {"platform": hardware.platform}
    if hardware.platform == "cuda":
        kind = name.partition("x")[0]
        config = resources.files("jaxspeech.targets").joinpath(f"{kind}.textproto").read_text(encoding="utf-8")
        options |= {"target_config": config, "topology": topology}
    else:
        options |= {"topology_name": topology}
    try:
        return Target(name, hardware, list(topologies.get_topology_desc(**options).devices))
    except Exception as error:  # JAX raises whatever its plugins raise
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f'target "{name}": {reason}; the compilers come with: python -m pip install "jaxspeech[targets]"'
        ) from error
