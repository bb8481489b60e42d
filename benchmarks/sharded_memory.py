"""Measures memory per device of a training step of a 609M-parameter FastConformer-CTC, by sharding of the state.

    python -m benchmarks.sharded_memory                 a JSON line for each case, a minute or two each
    python -m benchmarks.sharded_memory fsdp 8 1        one case: sharding, devices on the axes `data` and `model`

The step is compiled but not run, so virtual CPU devices suffice. Every device has a batch of 4 x 16 s.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

CASES = [
    ("replicated", 1, 1),
    ("replicated", 8, 1),
    ("fsdp", 2, 1),
    ("fsdp", 4, 1),
    ("fsdp", 8, 1),
    ("tensor", 1, 8),
    ("fsdp_tensor", 4, 2),
]


def sharded_memory(sharding: str, data: int, model: int) -> dict[str, Any]:
    """Report the compiler's plan for one device: the state that it holds, and the step's temporaries."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={data * model}"
    import jax

    from benchmarks.models import num_parameters
    from jaxspeech.builder import build
    from jaxspeech.configs.fastconformer_ctc import get_config
    from jaxspeech.tasks.recognition import Utterances
    from jaxspeech.training.sharding import bytes_per_device, make_mesh, make_rules, state_shardings
    from jaxspeech.training.state import init_state
    from jaxspeech.training.step import make_train_step
    from jaxspeech.training.update_rules import adamw
    from jaxspeech.training.updates import Update

    config = get_config("xlarge")
    config.model.decoder.vocab_size = 1024
    task, optimizer = build(config.model.to_dict()), adamw(1e-3, clip_norm=1.0)
    mesh = make_mesh(data=data, model=model)
    shapes = jax.eval_shape(lambda key: init_state(task.init(key), (optimizer,)), jax.random.key(0))
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    state = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)
    rows, samples, labels = 4 * data, 16 * 16000, 80
    split = jax.NamedSharding(mesh, jax.P("data"))
    batch = Utterances(
        *(
            jax.ShapeDtypeStruct(shape, dtype, sharding=split)
            for shape, dtype in [
                ((rows, samples), "float32"),
                ((rows,), "int32"),
                ((rows, labels), "int32"),
                ((rows,), "int32"),
                ((rows,), "int32"),
            ]
        )
    )
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-3, shardings=shardings)
    begin = time.perf_counter()
    memory = step.lower(state, batch, 0).compile().memory_analysis()
    return {
        "params": num_parameters(shapes.variables),
        "state_mib": round(bytes_per_device(shapes, shardings) / 2**20, 1),
        "arguments_mib": round(memory.argument_size_in_bytes / 2**20, 1),
        "temporaries_mib": round(memory.temp_size_in_bytes / 2**20, 1),
        "compile_s": round(time.perf_counter() - begin, 1),
    }


def main(arguments: list[str]) -> int:
    """Run one case in this process, or all of them in separate processes, as each needs its own number of devices."""
    if arguments:
        sharding, data, model = arguments
        result = sharded_memory(sharding, int(data), int(model))
        print(json.dumps({"sharding": sharding, "data": int(data), "model": int(model), **result}), flush=True)
        return 0
    command = [sys.executable, "-m", "benchmarks.sharded_memory"]
    return sum(subprocess.run([*command, *map(str, case)]).returncode != 0 for case in CASES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
