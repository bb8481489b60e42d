"""A step that trains LoRA forms no gradient of the frozen matrices beside which it is, and keeps no moments of them."""

import re
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.nn.low_rank import LoraOptions
from jaxspeech.training.parameters import choose_trainable, path_name
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update, build_updates
from jaxspeech.types import Phase, RowLosses

# Every matrix has a shape of its own; queries have LoRA.
DECODER = CausalTransformer(
    vocab_size=72,
    width=24,
    num_layers=2,
    num_heads=4,
    num_groups=2,
    head_width=10,
    hidden_width=56,
    lora=LoraOptions(rank=3, targets=("query",)),
    remat=True,
)
MATRICES = {"query": (24, 40), "key and value": (24, 20), "out": (40, 24), "gate and up": (24, 56), "down": (56, 24)}
MATRICES |= {"table": (72, 24)}


class Batch(NamedTuple):
    ids: Any
    index: Any


def loss(variables: Any, batch: Batch, key: Any) -> Any:
    def scores(decoder: CausalTransformer) -> Any:
        x = decoder.embed(batch.ids)
        return decoder.logits(decoder(x, jnp.full(len(x), x.shape[1]), train=True))

    apply: Any = DECODER.apply
    found = apply(variables, rngs={"dropout": key}, method=scores)
    losses = -jax.nn.log_softmax(found)[..., 0].sum(-1)
    return RowLosses(losses, jnp.ones_like(losses), {}), {}


TASK: Any = SimpleNamespace(phases=(Phase(loss),), seconds=lambda batch: jnp.zeros(len(batch.index)))
BATCH = Batch(jnp.zeros((3, 6), jnp.int32), jnp.arange(3))


def products(updates: tuple[Update, ...], schedule: Any, state: Any) -> set[tuple[int, ...]]:
    """The shapes of all products of matrices in a step."""
    step = make_train_step(TASK, updates, schedule=schedule)
    text = step.lower(state, BATCH, 0).as_text()
    found = re.findall(r"stablehlo\.dot_general.*-> tensor<([0-9x]+)xf32>", text)
    assert found
    return {tuple(map(int, shape.split("x"))) for shape in found}


@pytest.mark.parametrize("frozen", [True, False])
def test_a_step_forms_gradients_of_what_it_trains(frozen):
    def init(key: Any) -> Any:
        def everything(decoder: CausalTransformer) -> Any:
            return decoder.logits(decoder(decoder.embed(BATCH.ids), jnp.full(3, 6)))

        return DECODER.init(key, method=everything)

    variables = jax.eval_shape(init, jax.random.key(0))
    options = {"train_only": ("lora_[ab]",)} if frozen else {}
    updates, schedule = build_updates({"learning_rate": 1e-3}, TASK.phases, steps=2, **options)
    state = jax.eval_shape(lambda v: init_state(v, [update.optimizer for update in updates]), variables)
    shapes = products(updates, schedule, state)
    formed = {name for name, (rows, columns) in MATRICES.items() if {(rows, columns), (columns, rows)} & shapes}
    assert formed == (set() if frozen else {*MATRICES})
    assert {(24, 3), (3, 40)} & shapes or {(3, 24), (40, 3)} & shapes  # of A and B

    moments = {path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(state.opt_state)}
    assert any("lora_a" in name for name in moments)
    assert any("down" in name for name in moments) != frozen


def test_lora_is_chosen_in_stacked_layers():
    names = {"layers": {"attention": {"query": {"kernel": jnp.zeros((2, 3, 3)), "lora_a": jnp.zeros((2, 3, 1))}}}}
    choice = choose_trainable(freeze=("kernel",))
    assert choice is not None
    assert choice(names)["layers"]["attention"]["query"] == {"kernel": False, "lora_a": True}
