"""Measures the median time of a call, and describes the device."""

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax


def measure(call: Callable[[], Any], repeat: int, *, warmup: int = 2) -> dict[str, Any]:
    """Time `call` until its arrays are computed: `warmup` times uncounted (the first compiles), then `repeat` times."""
    started = time.perf_counter()
    jax.block_until_ready(call())
    first_s = time.perf_counter() - started
    for _ in range(warmup - 1):
        jax.block_until_ready(call())
    seconds, cpu_seconds = [], []
    for _ in range(repeat):
        started, cpu_started = time.perf_counter(), time.process_time()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "n": repeat,
        "cpu_s": statistics.median(cpu_seconds),  # of all threads: comparable where other work shares the cores
        "first_call_s": first_s,
        **peak_memory(),
    }


def peak_memory() -> dict[str, float]:
    """Peak memory of this process and, if the device reports it, of the device, in MiB."""
    memory = {"peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    stats = jax.devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        memory["peak_device_mib"] = stats["peak_bytes_in_use"] / 2**20
    return memory


def machine() -> dict[str, Any]:
    """The JAX version and the devices of the measurement."""
    return {"jax": jax.__version__, "device": jax.devices()[0].device_kind, "num_devices": jax.device_count()}
