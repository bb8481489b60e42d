"""Trains your own model with this package's CTC loss: plain JAX, no other part of the package.

    python examples/losses_alone.py

The losses take padded arrays with lengths, batch first, and return one value per row; jit, grad and vmap work on them.
"""

import jax
import jax.numpy as jnp

from jaxspeech.losses import ctc_loss

B, U, V = 16, 5, 6  # rows, labels of each row, symbols; the blank is symbol V
T, F = 4 * U, 8  # frames, features


def make_batch(key):
    """Makes [B T F] features and lengths: each label is two frames of silence and two frames of its sound."""
    label_key, length_key, noise_key = jax.random.split(key, 3)
    labels = jax.random.randint(label_key, (B, U), 0, V)
    num_labels = jax.random.randint(length_key, (B,), 1, U + 1)
    sounds = jnp.repeat(jax.nn.one_hot(labels, F), 4, axis=1) * (jnp.arange(T) % 4 >= 2)[:, None]
    return sounds + 0.1 * jax.random.normal(noise_key, (B, T, F)), 4 * num_labels, labels, num_labels


def apply(params, features):
    """A model: two dense layers, [B T F] -> [B T V+1] logits."""
    hidden = jax.nn.relu(features @ params["in"])
    return hidden @ params["out"] + params["bias"]


def loss(params, features, num_frames, labels, num_labels):
    losses = ctc_loss(apply(params, features), num_frames, labels, num_labels, blank_id=V)  # [B], in nats
    return jnp.mean(losses)


@jax.jit
def step(params, key):
    value, gradients = jax.value_and_grad(loss)(params, *make_batch(key))
    return jax.tree.map(lambda x, g: x - 0.2 * g, params, gradients), value


def main(steps: int = 300) -> float:
    in_key, out_key, key = jax.random.split(jax.random.key(0), 3)
    params = {
        "in": 0.3 * jax.random.normal(in_key, (F, 32)),
        "out": 0.3 * jax.random.normal(out_key, (32, V + 1)),
        "bias": jnp.zeros(V + 1),
    }
    value = jnp.inf
    for i in range(steps):
        params, value = step(params, jax.random.fold_in(key, i))
        if i % 50 == 0 or i == steps - 1:
            print(f"step {i}: {value:.3f} nats a transcript")
    return float(value)


if __name__ == "__main__":
    main()
