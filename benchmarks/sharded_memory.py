"""Bytes on each device in a training step of a 609M-parameter FastConformer-CTC, by how the state is split.

Compiled for 1, 2, 4 and 8 devices, and not run: virtual CPU devices will do, the batch growing with their number.
"""

import os
import time
from functools import partial
from typing import Any


def sharded_memory(
    repeat: int, *, sharding: str, data: int, model: int = 1, num_layers: int | None = None
) -> dict[str, Any]:
    """What the compiler plans for one device: the state it holds, and the step's temporaries."""
    del repeat
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={data * model}"
    import jax

    from benchmarks.models import num_parameters
    from configs.fastconformer_ctc import get_config
    from jaxspeech.configuration import build
    from jaxspeech.training.sharding import bytes_per_device, make_mesh, make_rules, state_shardings
    from jaxspeech.training.state import init_state
    from jaxspeech.training.step import make_train_step
    from jaxspeech.training.update_rules import adamw
    from jaxspeech.types import Batch

    config = get_config("xlarge")
    config.model.decoder.vocab_size = 1024
    if num_layers is not None:
        config.model.encoder.num_layers = num_layers
    task, optimizer = build(config.model.to_dict()), adamw(1e-3, clip_norm=1.0)
    mesh = make_mesh(data=data, model=model)
    shapes = jax.eval_shape(lambda key: init_state(task.init(key), optimizer), jax.random.key(0))
    shardings = state_shardings(shapes, mesh, make_rules(sharding))
    state = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)
    rows, samples, labels = 4 * data, 16 * 16000, 80
    split = jax.NamedSharding(mesh, jax.P("data"))
    batch = Batch(
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
    step = make_train_step(task, optimizer, schedule=lambda count: 1e-3, shardings=shardings)
    begin = time.perf_counter()
    memory = step.lower(state, batch, 0).compile().memory_analysis()
    return {
        "params": num_parameters(shapes.variables),
        "state_mib": round(bytes_per_device(shapes, shardings) / 2**20, 1),
        "arguments_mib": round(memory.argument_size_in_bytes / 2**20, 1),
        "temporaries_mib": round(memory.temp_size_in_bytes / 2**20, 1),
        "compile_s": round(time.perf_counter() - begin, 1),
    }


CASES: dict[str, Any] = {}
GPU_CASES = {
    f"memory_{sharding}_{data}x{model}": partial(sharded_memory, sharding=sharding, data=data, model=model)
    for sharding, data, model in [
        ("replicated", 1, 1),
        ("replicated", 8, 1),
        ("fsdp", 2, 1),
        ("fsdp", 4, 1),
        ("fsdp", 8, 1),
        ("tensor", 1, 8),
        ("fsdp_tensor", 4, 2),
    ]
}
