"""Vocos in an adversarial step; its numbers are tested with those of other vocoders in tests/tasks/test_vocoder.py."""

import re

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.decoders.vocos import Vocos


def test_its_output_is_not_computed_again_for_its_gradient():
    """As the phases of a step need both: the samples, and a gradient of theirs."""
    generator = Vocos(width=4, hidden_width=8, num_layers=1, fft_size=16, hop=4)
    mel = jnp.asarray(np.random.default_rng(0).standard_normal((2, 6, 3)), jnp.float32)
    params = generator.init(jax.random.key(0), mel, jnp.array([6, 4]))

    def samples(params):
        return generator.apply(params, mel, jnp.array([6, 4]))

    def squared(params):
        return jnp.sum(samples(params) ** 2)

    def products(function):
        program = jax.jit(function).lower(params).compile().as_text()
        return len(re.findall(r" (?:dot|convolution|fft)\(", program))

    both = products(lambda params: (jnp.sin(samples(params)), jax.grad(squared)(params)))
    assert both == products(jax.grad(squared)) > products(samples) > 4
