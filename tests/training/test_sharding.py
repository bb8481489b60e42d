"""Eight virtual CPU devices train like one, with the state replicated or split by a rule."""

import jax
import pytest
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError
from jaxspeech.training.sharding import bytes_per_device, fit, make_mesh, make_rules, state_shardings
from tests.eight_devices import on_eight_devices

SCRIPT = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from jaxspeech.nn.normalization import BatchNorm
from jaxspeech.training.sharding import make_mesh
from tests.training.topologies import train

assert jax.device_count() == 8
one, kernel = train(5, devices=1)
for other in (
    {},
    {"sharding": "fsdp"},
    {"accumulate": 2},
    {"mesh": {"data": 2, "model": 4}, "sharding": [["dense/kernel$", ["model"]], [".*", []]]},
):
    losses, variables = train(5, **other)
    if "accumulate" not in other:  # draws its own noise for each part
        np.testing.assert_allclose(losses, one, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), variables, kernel)

# Batch normalisation uses the whole batch, wherever its rows are.
x = np.random.default_rng(0).standard_normal((8, 3, 4)).astype(np.float32) + np.arange(8)[:, None, None]
split = jax.device_put(x, NamedSharding(make_mesh(), P("data")))
norm = BatchNorm(momentum=1.0)
variables = norm.init(jax.random.key(0), x, jnp.ones((8, 3), bool))
mask = jnp.ones((8, 3), bool)
_, updates = jax.jit(lambda x: norm.apply(variables, x, mask, train=True, mutable=["batch_stats"]))(split)
np.testing.assert_allclose(updates["batch_stats"]["mean"], x.mean((0, 1)), rtol=1e-5)
np.testing.assert_allclose(updates["batch_stats"]["var"], x.var((0, 1), ddof=1), rtol=1e-5)
print("equal")
"""


def test_eight_devices_equal_one():
    assert on_eight_devices(SCRIPT) == "equal\n"


def test_a_mesh_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"data 3 x model 1 .*data = -1 takes"):
        make_mesh(data=3)
    for model in (0, 5):
        with pytest.raises(ConfigError, match=f"model is {model}; it has to divide the 1 devices"):
            make_mesh(model=model)


def test_the_first_rule_wins_and_a_gap_is_named():
    tree = {"a": {"kernel": jax.ShapeDtypeStruct((4,), "float32")}, "b": jax.ShapeDtypeStruct((), "float32")}
    mesh = make_mesh()
    placed = state_shardings(tree, mesh, [("kernel", P("model")), (".*", P())])
    assert placed["a"]["kernel"].spec == P("model") and placed["b"].spec == P()
    with pytest.raises(ConfigError, match="no sharding rule covers b"):
        state_shardings(tree, mesh, [("kernel", P())])


def abstract_mesh(data, model):
    return jax.sharding.AbstractMesh((data, model), ("data", "model"))


def test_specs_describe_the_last_axes_and_an_axis_that_does_not_divide_is_not_split():
    mesh = abstract_mesh(4, 2)
    assert fit(P("data", "model"), (17, 512, 2048), mesh) == P(None, "data", "model")
    assert fit(P("data", "model"), (512, 1025), mesh) == P("data", None)
    assert fit(P("data"), (), mesh) == P() and fit(P("model", "data"), (8,), mesh) == P("data")


@pytest.mark.parametrize(
    ("name", "up", "down", "bias", "mean"),
    [
        ("replicated", P(None, None, None), P(None, None, None), P(None, None), P(None, None)),
        ("fsdp", P(None, "data", None), P(None, None, "data"), P(None, None), P(None, None)),
        ("tensor", P(None, None, "model"), P(None, "model", None), P(None, None), P(None, None)),
        ("fsdp_tensor", P(None, "data", "model"), P(None, "model", "data"), P(None, None), P(None, None)),
    ],
)
def test_each_sharding_splits_the_arrays_that_it_should(name, up, down, bias, mean):
    shapes = {
        "params/layers/ff_in/up/kernel": ((2, 8, 32), up),
        "opt_state/1/mu/layers/ff_in/down/kernel": ((2, 32, 8), down),
        "params/layers/ff_in/down/bias": ((2, 8), bias),
        "batch_stats/layers/norm/mean": ((2, 8), mean),
    }
    tree = {path: jax.ShapeDtypeStruct(shape, "float32") for path, (shape, _) in shapes.items()}
    placed = state_shardings(tree, abstract_mesh(2, 2), make_rules(name))
    assert {path: s.spec for path, s in placed.items()} == {path: spec for path, (_, spec) in shapes.items()}
    # A device holds a quarter of the large arrays if both axes are split, and half if one is.
    split = {"replicated": 1, "fsdp": 2, "tensor": 2, "fsdp_tensor": 4}[name]
    kernels = [{path: x[path] for path in list(shapes)[:2]} for x in (tree, placed)]
    assert bytes_per_device(*kernels) == 2 * 2 * 8 * 32 * 4 // split


def test_a_wrong_sharding_is_named():
    with pytest.raises(ConfigError, match='"fsdb" is unknown; did you mean "fsdp"'):
        make_rules("fsdb")
    with pytest.raises(ConfigError, match='no axis "modle"'):
        make_rules([[".*", ["modle"]]])
