"""One training step: a pure, jitted function (state, batch, seed) -> (state, metrics) for any task.

key        = fold_in(key(seed), step)                              every step's randomness follows from two integers
losses [B] = task.loss(variables, batch, key)
loss       = sum(losses) / rows              ("mean_batch")        over rows that are real and feasible
           | sum(losses) / labels            ("mean_volume")
           | sum(losses / labels) / rows     ("mean")
           | sum(losses)                     ("sum")
params     = params + optimizer(d loss / d params)                 unless the gradient is not finite
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.training.parameters import Choice, hold
from jaxspeech.training.schedules import Schedule
from jaxspeech.training.state import TrainState
from jaxspeech.types import Batch, Variables

Metrics = dict[str, Any]
REDUCTIONS = ("mean_batch", "mean_volume", "mean", "sum")


@runtime_checkable
class Trainable(Protocol):
    """The part of a Task that training needs."""

    @property
    def loss(self) -> Callable[[Variables, Batch, Any], tuple[Any, Variables]]: ...
    @property
    def sample_rate(self) -> int: ...


def reduce_losses(
    losses: Float[Array, " B"], batch: Batch, *, reduction: str
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The batch's loss over its usable rows, with what was counted.

    Filler rows (index < 0) count nowhere. A row with an infinite loss has no alignment (more labels than frames): it
    is left out, with a zero gradient, and counted as infeasible. A batch without a usable row has the loss 0.
    """
    real = batch.index >= 0
    infeasible = real & jnp.isposinf(losses)
    usable = real & ~infeasible
    rows, labels = jnp.sum(usable), jnp.sum(jnp.where(usable, batch.num_labels, 0))
    share = jnp.maximum(batch.num_labels, 1) if reduction == "mean" else 1
    total = jnp.sum(jnp.where(usable, losses / share, 0.0))
    weight = {"mean_batch": rows, "mean_volume": labels, "mean": rows, "sum": 1}[reduction]
    counts = {"examples": jnp.sum(real), "infeasible": jnp.sum(infeasible)}
    return total / jnp.maximum(weight, 1), counts


def make_train_step(
    task: Trainable,
    optimizer: optax.GradientTransformation,
    *,
    schedule: Schedule,
    loss_reduction: str = "mean_batch",
    average_decay: float = 0.0,
    trainable: Choice | None = None,
) -> Callable[[TrainState, Batch, Any], tuple[TrainState, Metrics]]:
    """The jitted step. It gives the old state's buffers away: do not use them afterwards.

    Args:
      task: what to train.
      optimizer: gradients -> updates, the learning rate included.
      schedule: the optimizer's rate, for the metrics.
      loss_reduction: one of REDUCTIONS.
      average_decay: the moving average of the parameters keeps this share of itself, at first min(this, (1 + n) /
        (10 + n)) after n updates (0: the state has no average).
      trainable: which parameters are trained, as the optimizer was told; None is all.

    Returns:
      (state, batch, seed) -> (state, metrics). Metrics are scalars: loss, grad_norm (before clipping), learning_rate,
      examples, infeasible, audio_seconds, skipped (1: the gradient was not finite and only the step moved on).
    """
    if loss_reduction not in REDUCTIONS:
        raise ConfigError(f'loss_reduction "{loss_reduction}" is unknown{did_you_mean(loss_reduction, REDUCTIONS)}')

    def train_step(state: TrainState, batch: Batch, seed: Any) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        params = state.variables["params"]

        def batch_loss(params: Any) -> tuple[Any, Any]:
            losses, updates = task.loss({**state.variables, "params": hold(params, trainable)}, batch, key)
            loss, counts = reduce_losses(losses, batch, reduction=loss_reduction)
            return loss, (updates, counts)

        (loss, (updates, counts)), grads = jax.value_and_grad(batch_loss, has_aux=True)(params)
        grad_norm = optax.tree.norm(grads)
        finite = jnp.isfinite(grad_norm)

        changes, opt_state = optimizer.update(grads, state.opt_state, params)
        changed = optax.apply_updates(params, changes)
        average = state.average
        if average_decay:
            # Young, it forgets faster, so that the random start does not linger for thousands of steps.
            updates_made = state.step - state.skipped
            decay = jnp.minimum(average_decay, (1 + updates_made) / (10 + updates_made))
            # In this form what does not change keeps its bits.
            average = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), average, changed)

        new = TrainState(
            step=state.step + 1,
            skipped=state.skipped,
            variables={**state.variables, **updates, "params": changed},
            opt_state=opt_state,
            average=average,
        )
        unchanged = state._replace(step=state.step + 1, skipped=state.skipped + 1)
        new = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, unchanged)

        real = batch.index >= 0
        metrics = {
            "loss": loss,
            "grad_norm": grad_norm,
            "learning_rate": schedule(state.step - state.skipped),
            "skipped": 1 - finite.astype(jnp.int32),
            "audio_seconds": jnp.sum(jnp.where(real, batch.num_samples, 0) / task.sample_rate),
            **counts,
        }
        return new, metrics

    return jax.jit(train_step, donate_argnums=0)
