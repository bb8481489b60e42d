"""What a model takes from a trained one, and what is reported of the rest."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.training.warm_start import (
    FROM_SCRATCH,
    WarmStart,
    choose_start,
    describe_start,
    fill_from,
    paths_beside,
)


def variables(fill, *, width=4, **more):
    layers = {"up": {"kernel": jnp.full((3, 2, width), fill)}}
    statistics = {"encoder": {"norm": {"mean": jnp.full(2, fill)}}}
    return {"params": {"encoder": {"layers": layers}, "decoder": {"bias": jnp.full(5, fill)}, **more}} | {
        "batch_stats": statistics
    }


def test_everything_is_taken():
    start = choose_start(variables(0.0), variables(7.0), model="x.nemo")
    new = fill_from(variables(0.0), start.arrays, start.masks)
    assert not start.unused and all(np.all(leaf == 7) for leaf in (new["params"]["decoder"]["bias"], *_kernels(new)))
    assert np.all(new["batch_stats"]["encoder"]["norm"]["mean"] == 7)
    assert describe_start(start, model="x.nemo") == "Starting from x.nemo: 3 arrays"


def test_include_and_exclude_select_single_layers():
    start = choose_start(
        variables(0.0), variables(7.0), include=("encoder/",), exclude=("layers_1/", "mean$"), model="x.nemo"
    )
    new = fill_from(variables(0.0), start.arrays, start.masks)
    np.testing.assert_array_equal([np.unique(layer) for layer in _kernels(new)[0]], [[7], [0], [7]])
    assert np.all(new["params"]["decoder"]["bias"] == 0) and np.all(new["batch_stats"]["encoder"]["norm"]["mean"] == 0)
    assert start.unused == ["encoder/norm/mean", "decoder/bias", "encoder/layers/up/kernel"]
    assert "not used: encoder/norm/mean, decoder/bias" in describe_start(start, model="x.nemo")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"include": ("encodr",)}, "init.include: no parameter's name matches 'encodr'"),
        ({"exclude": ("head",)}, "init.exclude: no parameter's name matches 'head'"),
        ({"width": 6}, r"x.nemo does not fit: encoder/layers/up/kernel is \(3, 2, 4\) in it, \(3, 2, 6\) here"),
        ({"ctc_head": jnp.ones(3)}, r"ctc_head \(3,\) is not in it. What init.exclude matches starts from scratch"),
    ],
)
def test_what_does_not_fit_is_one_line(options, message):
    choice = {name: options.pop(name) for name in ("include", "exclude") if name in options}
    with pytest.raises(ConfigError, match=message):
        choose_start(variables(0.0, **options), variables(7.0), model="x.nemo", **choice)


def test_new_parts_are_excluded_and_unused_ones_reported():
    start = choose_start(
        variables(0.0, adapter=jnp.ones(3)), variables(7.0, head=jnp.ones(2)), exclude=("adapter",), model="x.nemo"
    )
    assert start.unused == ["head"]


def test_what_only_training_needs_may_be_missing():
    wanted = variables(0.0, judge={"kernel": jnp.ones(3)})
    start = choose_start(wanted, variables(7.0), optional=paths_beside(wanted, variables(0.0)), model="x.nemo")
    assert start.new == ("judge/kernel",) and len(start.arrays) == 3
    assert describe_start(start, model="x.nemo") == "Starting from x.nemo: 3 arrays; not in it, and new: judge"
    with pytest.raises(ConfigError, match=r"judge/kernel is \(2,\) in it, \(3,\) here"):
        trained = variables(7.0, judge={"kernel": jnp.ones(2)})
        choose_start(wanted, trained, optional={"params/judge/kernel"}, model="x.nemo")


def test_scores_are_compared_with_those_that_the_model_states():
    def show(scores):
        return ", ".join(f"{name.upper()} {value:.2%}" for name, value in scores.items())

    def stated(name, **scores):
        return {name: {"set": scores.pop("of"), "scores": scores}}

    warm = WarmStart(
        FROM_SCRATCH, "x.jaxspeech", stated("dev", of="aa", wer=0.25) | stated("test", of="bb", wer=0.5), True
    )
    compare = dict(tolerance=0.002, show=show)
    found = stated("mine", of="aa", wer=0.251) | stated("other", of="cc", wer=0.4, cer=0.1)
    assert warm.check(found, **compare) == [
        "step 0: WER 25.10% on mine, as the model states",
        "step 0: WER 40.00%, CER 10.00% on other; the model states no score for this set",
    ]
    with pytest.raises(ArchiveError, match=r"x.jaxspeech states WER 50.00% on dev and reaches WER 40.00%"):
        warm.check(stated("dev", of="bb", wer=0.4), **compare)
    fewer = warm.check(stated("dev", of="bb", wer=0.4, num_examples=5, num_in_set=6), **compare)
    assert fewer[0].endswith("on dev; the model states WER 50.00%, which is of other examples of the set")
    new = warm._replace(exact=False).check(stated("dev", of="bb", wer=1.0), **compare)
    assert new == ["step 0: WER 100.00% on dev, of a model with new parts"]


def _kernels(tree):
    return [tree["params"]["encoder"]["layers"]["up"]["kernel"]]
