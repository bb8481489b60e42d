"""Words that plans share."""

from jaxspeech.targets.roofline import Estimate

GB = 1e9


def slowest_kernels(estimate: Estimate, count: int = 3) -> str:
    """Names the kernels that take longest, with their share of the time; those of one source count together."""
    seconds: dict[str, float] = {}
    for kernel in estimate.kernels:
        name = "/".join(kernel.source.split("/")[-3:]) or kernel.name
        seconds[name] = seconds.get(name, 0.0) + kernel.times * kernel.seconds
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:count]
    return "Slowest kernels: " + "; ".join(f"{name} {seconds[name] / estimate.seconds:.1%}" for name in slowest)


def in_hours(seconds: float) -> str:
    """Formats a length of time as hours or minutes."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
