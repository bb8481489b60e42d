"""Facts about accelerators, as their makers state them."""

import math
import re
from typing import NamedTuple

from jaxspeech.errors import ConfigError, did_you_mean


class Hardware(NamedTuple):
    """One device; peaks and bandwidths are infinite where they are not known.

    Attributes:
      name: for people.
      platform: "cuda" or "tpu", as JAX calls it.
      matrix_flops: peak FLOP/s of dense bfloat16 products.
      single_flops: peak FLOP/s of products whose operands are float32.
      vector_flops: peak float32 operations per second outside products.
      bandwidth: of the memory, in bytes per second.
      memory: in bytes.
      link: bytes per second that a device can send to the others of its group (NVLink, ICI).
      launch: seconds that a kernel takes at least.
    """

    name: str
    platform: str
    matrix_flops: float
    single_flops: float
    vector_flops: float
    bandwidth: float
    memory: float
    link: float
    launch: float

    @property
    def has_speed(self) -> bool:
        """Whether times can be predicted."""
        return math.isfinite(self.bandwidth)


# GPUs run float32 products as TF32. NVLink 4 sends 450 GB/s each way. A kernel in a CUDA graph takes 2 us at least.
# TPUs round operands to bfloat16 unless more precision is asked for; link is the sum of the ICI links, each way.
HARDWARE = {
    "h100": Hardware("NVIDIA H100 SXM 80GB", "cuda", 989e12, 494e12, 67e12, 3.35e12, 80e9, 450e9, 2e-6),
    "h200": Hardware("NVIDIA H200 SXM 141GB", "cuda", 989e12, 494e12, 67e12, 4.8e12, 141e9, 450e9, 2e-6),
    "v5e": Hardware("TPU v5e", "tpu", 197e12, 197e12, 6e12, 0.819e12, 16e9, 200e9, 0.5e-6),
    "v5p": Hardware("TPU v5p", "tpu", 459e12, 459e12, 14e12, 2.765e12, 95e9, 600e9, 0.5e-6),
    "v6e": Hardware("TPU v6e", "tpu", 918e12, 918e12, 14e12, 1.64e12, 32e9, 448e9, 0.5e-6),
}
# What the drivers call these devices, for the target `this`; the first pattern found is used.
KINDS = (
    (r"H200|GH200", "h200"),
    (r"H100 80GB HBM3", "h100"),
    (r"TPU v5 ?lite|TPU v5e", "v5e"),
    (r"TPU v5", "v5p"),
    (r"TPU v6", "v6e"),
)
# Share of the peak that large products reach in practice.
REACHED = 0.8
# The same for products between which our own kernels compute: that of FlashAttention-2 on an H100 (Shah et al., 2024).
REACHED_IN_KERNELS = 0.35
# The smallest topology of a TPU, where only its name is given.
SMALLEST = {"v5e": "2x2", "v5p": "2x2x1", "v6e": "2x2"}


def of_kind(kind: str, platform: str, memory: float) -> Hardware:
    """Returns the hardware of a device that is here; without a speed if it is not among those above.

    Args:
      kind: what its driver calls it.
      platform: as JAX calls it.
      memory: that may be used, in bytes.
    """
    for pattern, name in KINDS:
        if re.search(pattern, kind):
            return HARDWARE[name]._replace(memory=memory)
    endless = math.inf
    return Hardware(kind, platform, endless, endless, endless, endless, memory, endless, 0)


def parse_target(target: str) -> tuple[Hardware, str]:
    """Parses the name of a target.

    Args:
      target: "h200", "h200x8" (eight in one machine); "v5e:4x4", "v5p:4x4x4" (a TPU and its topology).

    Returns:
      (the hardware, the topology as JAX names it).

    Raises:
      ConfigError: the target is unknown.
    """
    kind, _, shape = target.partition(":")
    gpus = re.fullmatch(r"(h\d00)(?:x(\d+))?", kind)
    name = gpus[1] if gpus else kind
    if name not in HARDWARE:
        raise ConfigError(
            f'target "{target}" is unknown{did_you_mean(name, HARDWARE)}; several: h200x8, v5e:4x4; these devices: this'
        )
    hardware = HARDWARE[name]
    if hardware.platform == "cuda":
        if shape:
            raise ConfigError(f'target "{target}": write {name}x8 for eight GPUs')
        return hardware, f"1x1x{gpus[2] or 1}" if gpus else "1x1x1"
    shape = shape or SMALLEST[name]
    if not re.fullmatch(r"\d+(x\d+){1,2}", shape):
        raise ConfigError(f'target "{target}": a topology is written as {name}:{SMALLEST[name]}')
    return hardware, f"{name}:{shape}"
