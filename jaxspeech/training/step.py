"""One training step: a pure, jitted function (state, batch, seed) -> (state, metrics) for any task.

key        = fold_in(key(seed), step)                              every step's randomness follows from two integers
losses [B] = phase.loss(variables, batch, key)
loss       = sum(losses) / rows              ("mean_batch")        over rows that are real and feasible
           | sum(losses) / weights           ("mean_volume")       weights: what each row holds, such as its tokens
           | sum(losses / weights) / rows    ("mean")
           | sum(losses)                     ("sum")
params     = params + optimizer(d loss / d params)                 unless a gradient is not finite

A task with several phases (a discriminator, then a generator) makes one update after another within a step. Each phase
starts from the parameters as the previous phase left them, has the key fold_in(key, its number), updates only the
parameters that it trains, and has its own optimizer state. If any gradient is not finite, the step changes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.gathering import gather_unstacked, gathering
from jaxspeech.row_parallel import traced_over
from jaxspeech.training.accumulation import add_up, micro_batches
from jaxspeech.training.parameters import stop_gradients
from jaxspeech.training.reduction import REDUCTIONS, Sums, sum_losses
from jaxspeech.training.schedules import Schedule
from jaxspeech.training.state import TrainState, join_states, split_states
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase, Rows, Variables

Metrics = dict[str, Any]


@runtime_checkable
class Trainable(Protocol):
    """The part of a Task that training needs."""

    @property
    def phases(self) -> tuple[Phase, ...]: ...
    @property
    def seconds(self) -> Callable[[Any], Any]: ...


def make_train_step(
    task: Trainable,
    updates: Sequence[Update],
    *,
    schedule: Schedule,
    loss_reduction: str = "mean_batch",
    average_decay: float = 0.0,
    accumulate: int = 1,
    shardings: TrainState | None = None,
) -> Callable[[TrainState, Any, Any], tuple[TrainState, Metrics]]:
    """Makes the jitted step. It donates the old state's buffers: do not use them afterwards.

    Args:
      task: what to train.
      updates: one for each of its phases.
      schedule: the optimizers' learning rate, for the metrics.
      loss_reduction: one of REDUCTIONS.
      average_decay: decay of the moving average of the parameters; after n updates at most (1 + n) / (10 + n)
        (0: the state has no average).
      accumulate: number of micro-batches that a batch is split into; must divide its number of rows.
      shardings: of the state; the new state and the gradients get them too.

    Returns:
      (state, batch, seed) -> (state, metrics). Metrics are scalars: loss, grad_norm (before clipping), learning_rate,
      examples, infeasible, audio_seconds, skipped (1: a gradient was not finite and only the step number changed), and
      the means over usable rows of what the task logs. With several phases, loss and grad_norm are those of the last
      one, and each phase has its own under "name/".
    """
    if loss_reduction not in REDUCTIONS:
        raise ConfigError(f'loss_reduction "{loss_reduction}" is unknown{did_you_mean(loss_reduction, REDUCTIONS)}')
    phases = list(zip(task.phases, updates, strict=True))

    def train_step(state: TrainState, batch: Rows, seed: Any) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        stats, params = dict(state.variables), state.variables["params"]
        del stats["params"]
        opt_states = split_states(state.opt_state, len(phases))
        finite: Any = True
        metrics: Metrics = {}
        for i, (phase, update) in enumerate(phases):
            of_phase = phase, update, key if len(phases) == 1 else jax.random.fold_in(key, i)
            grads, sums, stats = _gradient(*of_phase, params=params, stats=stats, batch=batch)
            weight = sums.weight(loss_reduction)
            loss, grads = sums.losses / weight, jax.tree.map(lambda g, weight=weight: g / weight, grads)
            grad_norm = optax.tree.norm(grads)
            finite = jnp.isfinite(grad_norm) if i == 0 else finite & jnp.isfinite(grad_norm)
            changes, opt_states[i] = update.optimizer.update(grads, opt_states[i], params)
            params = optax.apply_updates(params, changes)

            means = {name: total / jnp.maximum(sums.rows, 1) for name, total in sums.logged.items()}
            own = {"loss": loss, "grad_norm": grad_norm, **means}
            metrics |= own if len(phases) == 1 else {f"{phase.name}/{name}": value for name, value in own.items()}
            metrics |= {"loss": loss, "grad_norm": grad_norm, "examples": sums.examples, "infeasible": sums.infeasible}

        average = state.average
        if average_decay:
            # A young average forgets faster, so that the random initial values do not linger for thousands of steps.
            updates_made = state.step - state.skipped
            decay = jnp.minimum(average_decay, (1 + updates_made) / (10 + updates_made))
            # In this form, parameters that do not change keep their bits.
            average = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), average, params)
        new = TrainState(
            step=state.step + 1,
            skipped=state.skipped,
            variables={**stats, "params": params},
            opt_state=join_states(opt_states),
            average=average,
        )
        unchanged = state._replace(step=state.step + 1, skipped=state.skipped + 1)
        new = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, unchanged)
        metrics |= {
            "learning_rate": schedule(state.step - state.skipped),
            "skipped": 1 - finite.astype(jnp.int32),
            "audio_seconds": jnp.sum(jnp.where(batch.index >= 0, task.seconds(batch), 0)),
        }
        return new, metrics

    def _gradient(
        phase: Phase, update: Update, key: Any, *, params: Any, stats: Variables, batch: Rows
    ) -> tuple[Any, Sums, Variables]:
        """The summed gradient of a phase's losses, the sums, and the new running statistics."""

        def summed(params: Any, stats: Variables, batch: Rows, key: Any) -> tuple[Any, Any]:
            held = stop_gradients(params, update.trainable)
            with gathering(None if shardings is None else shardings.variables["params"], axis="data"):
                rows, changed = phase.loss({**stats, "params": gather_unstacked(held)}, batch, key)
            sums = sum_losses(rows, batch.index, reduction=loss_reduction)
            return sums.losses, (sums, changed)

        def gradient(stats: Variables, batch: Rows, key: Any) -> tuple[Any, Sums, Variables]:
            grads, (sums, changed) = jax.grad(summed, has_aux=True)(params, stats, batch, key)
            if shardings is not None:
                grads = jax.lax.with_sharding_constraint(grads, shardings.variables["params"])
            return grads, sums, {**stats, **changed}

        if accumulate == 1:
            return gradient(stats, batch, key)
        return add_up(gradient, stats, micro_batches(batch, accumulate), key)

    mesh = None if shardings is None else jax.tree.leaves(shardings)[0].mesh
    split = traced_over(train_step, mesh)
    return jax.jit(split, donate_argnums=0, out_shardings=None if shardings is None else (shardings, None))
