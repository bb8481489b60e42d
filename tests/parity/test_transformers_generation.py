"""Generation gives the texts of Transformers: greedily to an end, by beam search, and what is drawn from."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.masks import right_padded
from jaxspeech.search.generate import generate
from jaxspeech.search.generate_beam import generate_beam
from jaxspeech.search.selection import candidates
from jaxspeech.tasks.causal_lm import Dialogues

FAMILIES = ("hf_qwen3", "hf_qwen2", "hf_llama", "hf_llama3")
WARPS = re.compile(r"warp_(temperature|top_k|top_p)([\d.]+)")


@pytest.fixture(scope="module", params=FAMILIES)
def given(request, refs):
    """Transformers' arrays, the options of its searches, and the folder."""
    if not (refs / f"{request.param}.npz").exists():
        pytest.skip(f"{refs} has no {request.param}.npz")
    with np.load(refs / f"{request.param}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads((refs / f"{request.param}.json").read_text()), refs / request.param


def until(ids, end):
    """The tokens before the end, and the number with it."""
    ids = ids.tolist()
    return (ids[: ids.index(end)], ids.index(end) + 1) if end in ids else (ids, len(ids))


def test_greedy_and_beam_texts_are_identical(given):
    arrays, about, folder = given
    archive = load_transformers(folder, stacked=False)
    inference, end = build(archive.model).inference, about["eos_test"]
    num = arrays["attention_mask"].sum(1)
    ids = right_padded(jnp.asarray(arrays["input_ids"]), num)
    prompt = Dialogues(ids, num, num, np.zeros(ids.shape, bool), np.arange(len(num)))
    beams = [name for name in ("beam3", "beam4") if name in arrays]

    @jax.jit
    def run(variables):
        def step(ids, state):
            return inference.step(variables, ids, state)

        most = {name: arrays[name].shape[1] for name in ("greedy_eos", *beams)}
        logits, state = inference.start(variables, prompt, max(most.values()))
        found = {"greedy_eos": generate(step, logits, state, end_ids=(end,), most_tokens=most["greedy_eos"])}
        for name in beams:
            options = {"beam_size": int(name[4:]), "most_tokens": most[name], "end_ids": (end,)}
            (found[name],) = generate_beam(step, logits, state, **options, **about[name])
        return found

    for name, tokens in run(archive.variables).items():
        for row, expected in enumerate(arrays[name]):
            text, length = until(expected, end)
            assert np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist() == text, (name, row)
            if name in beams:
                rank = tokens.score[row] / length ** about[name]["length_penalty"]
                np.testing.assert_allclose(rank, arrays[f"{name}_score"][row], rtol=1e-5)


def test_the_tokens_drawn_from_are_the_same(given):
    arrays, _, _ = given
    logits = arrays["logits"][:, -1]
    settings = {name: match for name in arrays if (match := WARPS.fullmatch(name))}
    assert len(settings) >= 3
    for name, match in settings.items():
        option = {match[1]: int(match[2]) if match[1] == "top_k" else float(match[2])}
        found = candidates(jnp.asarray(logits), **option)
        ours = np.full_like(logits, -np.inf)
        places = np.arange(logits.shape[1])[None] if found.ids is None else found.ids
        np.put_along_axis(ours, np.broadcast_to(places, found.logits.shape), np.asarray(found.logits), axis=1)
        np.testing.assert_allclose(ours, arrays[name], rtol=1e-6, err_msg=name)
