"""Computes an encoder's gradients on eight devices whose weights are split, and what the devices send to one another.

    python -m tests.training.gathered_gradients REMAT

Prints a JSON line: the greatest difference to one device, by the greatest gradient; and the bytes sent, by those of the
parameters, with and without gathering.
"""

import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.gathering import gather_unstacked, gathering
from jaxspeech.targets.hardware import HARDWARE
from jaxspeech.targets.hlo import parse
from jaxspeech.targets.roofline import estimate
from jaxspeech.training.sharding import make_mesh, make_rules, state_shardings


def main(remat: Any) -> dict[str, float]:
    still = {"dropout": 0.0, "dropout_pre_encoder": 0.0, "dropout_att": 0.0}
    encoder = FastConformer(
        num_layers=3, width=16, num_heads=2, subsampling="stacking", conv_norm="layer", remat=remat, **still
    )
    features = jax.random.normal(jax.random.key(0), (16, 320, 16))
    lengths = jnp.full(16, 320)
    variables = jax.jit(encoder.init)(jax.random.key(1), features[:1], lengths[:1])
    mesh = make_mesh()
    shardings = state_shardings(variables, mesh, make_rules("fsdp"))
    rows = NamedSharding(mesh, P("data"))

    def gradient(variables: Any, features: Any, lengths: Any, *, split: Any) -> Any:
        def loss(params: Any) -> Any:
            with gathering(split, axis="data"):
                variables = {"params": gather_unstacked(params)}
                encoded, _ = encoder.apply(
                    variables, features, lengths, train=True, rngs={"dropout": jax.random.key(2)}
                )
            return jnp.square(encoded).mean()

        return jax.grad(loss)(variables["params"])

    alone = jax.jit(lambda *args: gradient(*args, split=None))(variables, features, lengths)
    placed = jax.device_put(variables, shardings), jax.device_put(features, rows), jax.device_put(lengths, rows)
    found = {}
    for name, split in {"gathered": shardings["params"], "left": None}.items():
        function = jax.jit(lambda *args, split=split: gradient(*args, split=split), out_shardings=shardings["params"])
        program = function.lower(*placed).compile()
        size = sum(x.nbytes for x in jax.tree.leaves(variables["params"]))
        found[name] = estimate(parse(program.as_text()), HARDWARE["h200"]).sent / size
        if split is not None:
            far = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), alone, program(*placed))
            greatest = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(alone))
            found["difference"] = max(jax.tree.leaves(far)) / greatest
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
