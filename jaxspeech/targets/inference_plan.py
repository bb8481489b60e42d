"""Plans transcription for a target: memory by kind, time and RTFx of a batch, and the longest recording in one pass."""

from typing import Any

from jaxspeech.targets.compiled import Compiled, compile_for
from jaxspeech.targets.inference_program import ROUNDS, Transcriber, inference_program, transcriber
from jaxspeech.targets.longest_audio import longest_audio
from jaxspeech.targets.target import Target
from jaxspeech.targets.wording import GB, in_hours, slowest_kernels
from jaxspeech.training.flops import step_flops
from jaxspeech.training.memory import FILLED
from jaxspeech.training.sharding import make_mesh


def report_inference(
    config: dict[str, Any], variables: Any, *, target: Target, rows: int, seconds: float, dtype: str | None = None
) -> int:
    """Compiles the program for a batch and prints what it needs; nothing is transcribed.

    Args:
      config: of a recogniser, as `build` takes it.
      variables: its variables, or their shapes.
      target: the devices; each transcribes batches of its own.
      rows: recordings of a batch.
      seconds: length of the recordings.
      dtype: of the matrix products; None: as in the configuration.

    Returns:
      The exit status: 0 if the batch fits into the memory of a device, else 1.
    """
    mesh = make_mesh(devices=target.devices[:1])
    found = transcriber(config, variables, platform=target.hardware.platform, dtype=dtype)
    function, arguments = inference_program(found.task, found.variables, mesh, rows=rows, seconds=seconds)
    program = compile_for(target, function, *arguments, trips=ROUNDS * seconds)
    flops = step_flops(function, *arguments)
    print(describe_batch(found, program, flops, target=target, rows=rows, seconds=seconds), flush=True)
    print(describe_longest(longest_audio(found, mesh, target)), flush=True)
    return 0 if program.memory <= FILLED * target.hardware.memory else 1


def describe_batch(
    found: Transcriber, program: Compiled, flops: float, *, target: Target, rows: int, seconds: float
) -> str:
    """Formats what a batch needs; `flops` are those of its products."""
    hardware, kinds, estimate = target.hardware, found.held(), program.estimate
    held = ", ".join(f"{name} {size / GB:.2f}" for name, size in kinds.items())
    heads = ["batch", "GB a device", "temporaries", "TFLOP", "GB moved", "kernels"]
    values = [
        f"{rows} x {seconds:g} s",
        f"{program.memory / GB:.2f}",
        f"{program.temporaries / GB:.2f}",
        f"{flops / 1e12:.2f}",
        f"{estimate.bytes / GB:.1f}",
        f"{estimate.launches:.0f}",
    ]
    if hardware.has_speed:
        heads += ["time", "MFU", "RTFx"]
        values += [
            f"{1e3 * estimate.seconds:.1f} ms",
            f"{flops / hardware.matrix_flops / estimate.seconds:.0%}",
            f"{rows * seconds / estimate.seconds:,.0f}",
        ]
    widths = [max(map(len, column)) for column in zip(heads, values, strict=True)]
    lines = [
        f"{target.name}: {hardware.name}, {hardware.memory / GB:.0f} GB; held in GB: {held}",
        *("  ".join(f"{x:>{width}}" for x, width in zip(row, widths, strict=True)) for row in (heads, values)),
    ]
    fixed, capacity = sum(kinds.values()), FILLED * hardware.memory
    most = max(0, int((capacity - fixed) / ((program.memory - fixed) / rows)))
    lines.append(
        f"The batch takes {program.memory / GB:.2f} of {hardware.memory / GB:.0f} GB: "
        + ("fits" if program.memory <= capacity else "does not fit: lower --batch_size or --seconds, or --dtype")
        + f"; about {most} recordings of {seconds:g} s fit"
    )
    if not hardware.has_speed:
        lines.append(f"The speed of {hardware.name} is not known, so no time is predicted")
        return "\n".join(lines)
    lines.append(slowest_kernels(estimate))
    notes = ["RTFx counts the program alone, not reading audio"]
    if estimate.open_loops:
        notes.append(f"the loop of the search is taken to run {ROUNDS:g} times for each second")
    if (devices := len(target.devices)) > 1:
        notes.append(f"{devices} devices with a process each transcribe {devices} times as much")
    return "\n".join([*lines, "; ".join(notes)])


def describe_longest(longest: dict[str, float]) -> str:
    """Formats the lengths from `longest_audio`."""
    parts = [f"{in_hours(seconds)} with {name} attention" for name, seconds in longest.items()]
    return f"The longest recording that fits in one pass: about {', '.join(parts)}"
