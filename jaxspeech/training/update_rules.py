"""The optimizers' update rules, composed of Optax's. g is the gradient after clipping, t counts updates from 1.

AdamW (Loshchilov and Hutter, 2019), in the same steps as torch:
m <- beta1 m + (1 - beta1) g;    v <- beta2 v + (1 - beta2) g^2
p <- p - rate (m / (1 - beta1^t)) / ((v / (1 - beta2^t))^1/2 + eps) - rate weight_decay p

NovoGrad (Ginsburg et al., 2019), |g| over each array, as in NeMo:
v <- beta2 v + (1 - beta2) |g|^2, at first |g|^2;    m <- beta1 m + g / (v^1/2 + eps) + weight_decay p
p <- p - rate m

SGD with momentum, as torch's: the decay is part of the gradient
m <- momentum m + g + weight_decay p;    p <- p - rate m

Lion (Chen et al., 2023):
p <- p - rate sign(beta1 m + (1 - beta1) g) - rate weight_decay p;    m <- beta2 m + (1 - beta2) g

Adafactor (Shazeer and Stern, 2018), with the rate given instead of derived, b = 1 - t^-decay_rate:
R <- b R + (1 - b) mean over columns of g^2 + eps;    C likewise over rows;    V = R C / mean R, for large matrices
V <- b V + (1 - b) (g^2 + eps), for all other parameters
u = g / V^1/2;    u <- u / max(1, rms(u) / clip_threshold);    p <- p - rate (relative: rms(p)) u - rate weight_decay p

Muon (Jordan et al., 2024; Liu et al., 2025), for the inner matrices of the model; all other parameters use AdamW:
m <- beta m + (1 - beta) g
u = orthogonal(beta m / (1 - beta^(t+1)) + (1 - beta) g / (1 - beta^t)), by five Newton-Schulz steps
p <- p - rate 0.2 max(rows, columns)^1/2 u - rate weight_decay p

Layers stacked in one array count as one array in NovoGrad's |g| and Adafactor's rms, but as separate ones in Muon.
"""

import re
from typing import Any

import jax
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from jaxspeech.training.gradients import clip_by_global_norm
from jaxspeech.training.parameters import path_name
from jaxspeech.training.schedules import Schedule

# The usual value of `decay_exclude`: biases and the scales of normalisation layers, by their paths.
BIASES_AND_NORMS = r"(^|/)(bias|scale|bias_[uv])$"
# Matrices whose input or output is not a hidden vector, for which Muon is not meant.
ENDS = r"^(decoder|ctc_head)/(joint/)?out/|^encoder/subsampling/|/depthwise/"
# Scales Muon's updates to the size of AdamW's, so that both can share a learning rate (Liu et al., 2025).
MUON_RMS = 0.2


def adamw(
    learning_rate: Schedule | float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.98,
    eps: float = 1e-8,
    weight_decay: float = 1e-3,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes AdamW.

    Args:
      learning_rate: a rate, or updates made so far -> rate.
      beta1: decay of the mean gradient.
      beta2: decay of the mean squared gradient.
      eps: added outside the square root.
      weight_decay: share of each parameter that an update subtracts, times the learning rate.
      decay_exclude: regular expression; parameters do not decay if it is found in their path ("": all decay, as in
        NeMo; see BIASES_AND_NORMS).
      clip_norm: largest global norm of the gradients (0: no clipping).
    """
    rule = optax.scale_by_adam(b1=beta1, b2=beta2, eps=eps)
    return _update(rule, learning_rate, weight_decay, decay_exclude, clip_norm)


def novograd(
    learning_rate: Schedule | float,
    *,
    beta1: float = 0.95,
    beta2: float = 0.98,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes NovoGrad, which the convolutional encoders were trained with; arguments as in `adamw`."""
    return optax.chain(
        clip_by_global_norm(clip_norm),
        optax.scale_by_novograd(b1=beta1, b2=beta2, eps=eps, weight_decay=weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def lion(
    learning_rate: Schedule | float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 1e-2,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes Lion; arguments as in `adamw`.

    It needs a third to a tenth of AdamW's learning rate, and 3 to 10 times its weight decay.
    """
    rule = optax.scale_by_lion(b1=beta1, b2=beta2)
    return _update(rule, learning_rate, weight_decay, decay_exclude, clip_norm)


def sgd(
    learning_rate: Schedule | float,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes gradient descent with momentum, as torch's SGD: the decay is part of the gradient that is averaged.

    Args:
      learning_rate, decay_exclude, clip_norm: as in `adamw`.
      momentum: decay of the sum of gradients.
      weight_decay: share of each parameter that is added to its gradient.
    """
    exclude = re.compile(decay_exclude) if decay_exclude else None

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: exclude is None or not exclude.search(path_name(path)), params
        )

    return optax.chain(
        clip_by_global_norm(clip_norm),
        optax.add_decayed_weights(weight_decay, mask=decays),
        optax.trace(momentum),
        optax.scale_by_learning_rate(learning_rate),
    )


def adafactor(
    learning_rate: Schedule | float,
    *,
    decay_rate: float = 0.8,
    eps: float = 1e-30,
    clip_threshold: float = 1.0,
    smallest_factored: int = 128,
    relative: bool = False,
    weight_decay: float = 0.0,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes Adafactor, whose state is much smaller than the parameters; the other arguments as in `adamw`.

    Args:
      decay_rate, eps, clip_threshold: as in the equation.
      smallest_factored: arrays with two axes of at least this length keep only the means of rows and columns.
      relative: scales updates by the rms of each array, at least 1e-3.
    """
    rule = optax.chain(
        optax.scale_by_factored_rms(decay_rate=decay_rate, epsilon=eps, min_dim_size_to_factor=smallest_factored),
        optax.clip_by_block_rms(clip_threshold),
        optax.scale_by_param_block_rms() if relative else optax.identity(),
    )
    return _update(rule, learning_rate, weight_decay, decay_exclude, clip_norm)


def muon(
    learning_rate: Schedule | float,
    *,
    beta: float = 0.95,
    beta1: float = 0.9,
    beta2: float = 0.98,
    eps: float = 1e-8,
    exclude: str = ENDS,
    weight_decay: float = 1e-3,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes Muon; the other arguments as in `adamw`.

    Args:
      beta: decay of Muon's mean gradient.
      beta1, beta2, eps: of AdamW, for all parameters that are not matrices.
      exclude: regular expression for matrices that use AdamW anyway; by default the first and the last.
    """
    excluded = re.compile(exclude) if exclude else None

    def group(path: Any, leaf: Any) -> str:
        name = path_name(path)
        stacked = "/layers/" in f"/{name}"
        matrix = leaf.ndim == 2 + stacked and name.endswith("/kernel")
        return "muon" if matrix and not (excluded and excluded.search(name)) else "adam"

    def matrices(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: MuonDimensionNumbers(leaf.ndim - 2, leaf.ndim - 1), tree)

    def same_size(updates: Any, params: Any = None) -> Any:
        del params
        return jax.tree.map(lambda u: u * (MUON_RMS * np.sqrt(max(u.shape[-2:]))), updates)

    orthogonal = optax.chain(scale_by_muon(beta=beta, weight_dimension_numbers=matrices), optax.stateless(same_size))
    adam = optax.scale_by_adam(b1=beta1, b2=beta2, eps=eps)
    rule = optax.partition(
        {"muon": orthogonal, "adam": adam}, lambda params: jax.tree_util.tree_map_with_path(group, params)
    )
    return _update(rule, learning_rate, weight_decay, decay_exclude, clip_norm)


def _update(
    rule: optax.GradientTransformation,
    learning_rate: Schedule | float,
    weight_decay: float,
    decay_exclude: str,
    clip_norm: float,
) -> optax.GradientTransformation:
    """Chains clipping, the rule, weight decay and the learning rate."""
    exclude = re.compile(decay_exclude) if decay_exclude else None

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: exclude is None or not exclude.search(path_name(path)), params
        )

    return optax.chain(
        clip_by_global_norm(clip_norm),
        rule,
        optax.add_decayed_weights(weight_decay, mask=decays),
        optax.scale_by_learning_rate(learning_rate),
    )
