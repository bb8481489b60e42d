"""Self-conditioned CTC beside its equation, with the layers before and after the condition run as encoders."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.errors import ConfigError
from jaxspeech.forms.depth import with_depth
from jaxspeech.forms.encoder import encoder_only
from jaxspeech.surgery.vocabulary import change_vocabulary
from jaxspeech.text.char import CharTokenizer
from tests.losses.oracles import log_softmax
from tests.tasks.test_ctc_trained import CONFIG, HYBRID, batch

SECTION = {"layers": (0,), "weights": (0.3,), "conditioned": True}
CONDITIONED = {name: value for name, value in CONFIG.items() if name != "consistency"} | {"interctc": SECTION}
NUM_SAMPLES = np.array([8000, 4500], np.int32)
SAMPLES = np.where(np.arange(8000) < NUM_SAMPLES[:, None], batch().samples[:2], np.nan)


@pytest.fixture(scope="module")
def conditioned():
    task = build(CONDITIONED)

    def total(params, rows, variables):
        found = task.phases[0].loss(variables | {"params": params}, rows, jax.random.key(1))[0]
        return jnp.where(found.losses == jnp.inf, 0, found.losses).sum(), found

    @jax.jit
    def run(rows):
        variables = task.init(jax.random.key(0))
        encodings = task.model.apply(variables, SAMPLES, NUM_SAMPLES, (0,), method="encode_layers")
        return variables, encodings, jax.grad(total, has_aux=True)(variables["params"], rows, variables)

    return task.model, *jax.device_get(run(batch()))


def part(model, variables, first: int, last: int, only: str | None, x, num_frames):
    """Runs the layers from `first` to before `last` as an encoder of their own."""
    encoder = model.encoder.clone(num_layers=last - first, scan_layers=False, parent=None, name=None)
    tree = {kind: unstack_layers(dict(values["encoder"])) for kind, values in variables.items() if "encoder" in values}
    layers = {f"layers_{i}": f"layers_{i - first}" for i in range(first, last)}
    own = {
        kind: {layers.get(name, name): x for name, x in values.items() if name in layers or "layers" not in name}
        for kind, values in tree.items()
    }
    return jax.jit(partial(encoder.apply, only=only))(own, x, num_frames)


def test_a_layer_sees_the_tokens_of_the_layer_before(conditioned):
    model, variables, (encoded, num_frames, outputs), _ = conditioned
    features = model.apply(variables, SAMPLES, NUM_SAMPLES, method="features")
    first, count = part(model, variables, 0, 1, None, *features)
    np.testing.assert_allclose(outputs[0].frames, first, atol=1e-5)  # the losses are of what precedes the condition
    params = variables["params"]
    head, projection = params["decoder"]["out"], params["conditioning"]
    probs = np.exp(log_softmax(np.asarray(first) @ head["kernel"] + head["bias"]))
    second = first + probs @ projection["kernel"] + projection["bias"]
    expected, _ = part(model, variables, 1, 3, "layers", second, count)
    for b, frames in enumerate(num_frames):
        np.testing.assert_allclose(encoded[b, :frames], expected[b, :frames], atol=2e-5)
    unconditioned, _ = part(model, variables, 1, 3, "layers", first, count)
    assert np.abs(unconditioned - expected)[0].max() > 1e-2


def test_layers_one_by_one_give_the_same(conditioned):
    _, variables, (encoded, _, _), _ = conditioned
    loop = build(CONDITIONED | {"encoder": CONDITIONED["encoder"] | {"scan_layers": False}}).model
    tree = {kind: values | {"encoder": unstack_layers(values["encoder"])} for kind, values in variables.items()}
    np.testing.assert_allclose(loop.apply(tree, SAMPLES, NUM_SAMPLES, method="encode")[0], encoded, atol=2e-5)
    assert jax.tree.map(np.shape, stack_layers(tree["params"]["encoder"])) == jax.tree.map(
        np.shape, variables["params"]["encoder"]
    )


def test_the_projection_learns_through_the_layers_after_it(conditioned):
    gradient, found = conditioned[3]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient["conditioning"]["kernel"]).max() > 1e-4
    expected = 0.7 * found.logged["ctc_loss"] + 0.3 * found.logged["interctc_loss_0"]
    np.testing.assert_allclose(found.losses[:2], expected[:2], rtol=1e-5)


def test_a_hybrid_model_has_it_and_loses_it_with_its_layers():
    config = HYBRID | {"interctc": SECTION, "consistency": {"weight": 0.0}}
    variables = jax.tree.map(lambda x: np.zeros(x.shape), jax.eval_shape(build(config).init, jax.random.key(0)))
    assert variables["params"]["conditioning"]["kernel"].shape == (6, 16)
    assert with_depth(config, variables, 2)[0]["interctc"] == SECTION
    shorter, kept = with_depth(config, variables, 1)
    assert "interctc" not in shorter
    expected = jax.eval_shape(build(shorter).init, jax.random.key(0))
    assert jax.tree.map(np.shape, kept) == jax.tree.map(np.shape, expected)


def test_pieces_that_a_new_tokenizer_keeps_keep_their_rows(conditioned):
    _, variables, *_ = conditioned
    old = Archive(CONDITIONED, {"tokenizer": CharTokenizer("abcde")}, variables, {})
    kernel = change_vocabulary(old, CharTokenizer("xca")).variables["params"]["conditioning"]["kernel"]
    before = variables["params"]["conditioning"]["kernel"]
    assert kernel.shape == (4, 16)
    np.testing.assert_array_equal(kernel[1:], before[[2, 0, 5]])  # c, a and the blank


def test_what_cannot_be_conditioned_is_refused(conditioned):
    def refused(line: str, **changes) -> None:
        with pytest.raises(ConfigError, match=line):
            build(CONDITIONED | changes)

    refused(r"no layer follows layer 2", interctc=SECTION | {"layers": (2,)})
    refused(r"output_width", encoder=CONDITIONED["encoder"] | {"output_width": 8})
    refused(r"LSTMs", decoder={"name": "lstm", "vocab_size": 5, "width": 4, "num_layers": 1})
    refused(
        r"fastconformer and conformer alone", encoder={"name": "lstm", "num_layers": 2, "width": 8, "cell_width": 8}
    )
    with pytest.raises(ConfigError, match="see the tokens of the CTC head"):
        encoder_only(conditioned[0], conditioned[1], CONDITIONED)
