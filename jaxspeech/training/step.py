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

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.training.accumulation import add_up, micro_batches
from jaxspeech.training.parameters import Choice, stop_gradients
from jaxspeech.training.reduction import REDUCTIONS, Sums, sum_losses
from jaxspeech.training.schedules import Schedule
from jaxspeech.training.state import TrainState
from jaxspeech.types import Batch, Variables

Metrics = dict[str, Any]


@runtime_checkable
class Trainable(Protocol):
    """The part of a Task that training needs."""

    @property
    def loss(self) -> Callable[[Variables, Batch, Any], tuple[Any, Variables]]: ...
    @property
    def sample_rate(self) -> int: ...


def make_train_step(
    task: Trainable,
    optimizer: optax.GradientTransformation,
    *,
    schedule: Schedule,
    loss_reduction: str = "mean_batch",
    average_decay: float = 0.0,
    trainable: Choice | None = None,
    accumulate: int = 1,
    shardings: TrainState | None = None,
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
      accumulate: micro-batches, one after the other, of a batch; it has a multiple of so many rows.
      shardings: of the state, which the new one keeps, and its gradients too.

    Returns:
      (state, batch, seed) -> (state, metrics). Metrics are scalars: loss, grad_norm (before clipping), learning_rate,
      examples, infeasible, audio_seconds, skipped (1: the gradient was not finite and only the step moved on).
    """
    if loss_reduction not in REDUCTIONS:
        raise ConfigError(f'loss_reduction "{loss_reduction}" is unknown{did_you_mean(loss_reduction, REDUCTIONS)}')

    def train_step(state: TrainState, batch: Batch, seed: Any) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        params = state.variables["params"]

        def summed(params: Any, stats: Variables, batch: Batch, key: Any) -> tuple[Any, Any]:
            losses, updates = task.loss({**stats, "params": stop_gradients(params, trainable)}, batch, key)
            sums = sum_losses(losses, batch, reduction=loss_reduction)
            return sums.losses, (sums, updates)

        def gradient(stats: Variables, batch: Batch, key: Any) -> tuple[Any, Sums, Variables]:
            grads, (sums, updates) = jax.grad(summed, has_aux=True)(params, stats, batch, key)
            if shardings is not None:
                grads = jax.lax.with_sharding_constraint(grads, shardings.variables["params"])
            return grads, sums, {**stats, **updates}

        stats = {name: value for name, value in state.variables.items() if name != "params"}
        if accumulate == 1:
            grads, sums, stats = gradient(stats, batch, key)
        else:
            grads, sums, stats = add_up(gradient, stats, micro_batches(batch, accumulate), key)
        weight = sums.weight(loss_reduction)
        loss, grads = sums.losses / weight, jax.tree.map(lambda g: g / weight, grads)
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
            variables={**stats, "params": changed},
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
            "examples": sums.examples,
            "infeasible": sums.infeasible,
        }
        return new, metrics

    return jax.jit(train_step, donate_argnums=0, out_shardings=None if shardings is None else (shardings, None))
