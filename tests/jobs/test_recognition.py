"""Recognition with a language prompt as a run sees it: names, sizes, the column of a batch, and the loss."""

import json

import jax
import numpy as np
import pytest

from jaxspeech.configs.base import with_language_prompt
from jaxspeech.errors import ConfigError
from jaxspeech.jobs.job import Placement
from jaxspeech.jobs.recognition import RECOGNITION
from jaxspeech.run_start import load
from tests.contract.cases import recipe
from tests.interop.random_model import task_variables


def test_a_prompted_model_learns_from_lines_with_languages(tones, tmp_path):
    lines = [json.loads(line) for line in (tones / "train.jsonl").read_text().splitlines()]
    for i, line in enumerate(lines):
        line |= {"audio_filepath": str(tones / line["audio_filepath"]), "lang": ("eo", "en", "fr")[i % 2]}
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = with_language_prompt(recipe("ctc", tones), mode="langID")
    config.data.train = (str(path),)
    settings = config.to_dict()
    model, assets, task, data = load(RECOGNITION, settings, tmp_path, Placement(), source=None, resuming=False)
    assert assets["prompt"].languages_by_name == {"en": 0, "eo": 1, "auto": 2}
    assert model["language_prompt"]["num_prompts"] == 3
    assert RECOGNITION.describe(assets).endswith("prompts of 3 languages")
    batch = next(data.train.batches())
    spoken = {
        i: names.get(lines[i]["lang"]) for names in [assets["prompt"].languages_by_name] for i in range(len(lines))
    }
    assert batch.language.tolist() == [spoken[i] if i >= 0 else 0 for i in batch.index.tolist()]
    dev = next(iter(data.eval["dev"].batches()))
    assert set(dev.language[dev.index >= 0].tolist()) == {2}  # lines without a language

    variables = task_variables(task)
    loss = jax.jit(task.loss)
    losses, other = (
        loss(variables, b, jax.random.key(1))[0] for b in (batch, batch._replace(language=(batch.language + 1) % 3))
    )
    assert np.isfinite(losses).all() and (np.abs(losses - other) > 1e-6).all()
    for wrong, message in (({"num_prompts": 2}, "num_prompts is 2; the languages need 3"),):
        with pytest.raises(ConfigError, match=message):
            RECOGNITION.sized(settings["model"] | {"language_prompt": wrong}, assets)
    settings["prompt"] = {"languages": {"en": 4, "auto": 0}}
    chosen = RECOGNITION.assets(settings, RECOGNITION.source(settings, print), {})
    assert RECOGNITION.sized(settings["model"], chosen)["language_prompt"]["num_prompts"] == 5
    settings["prompt"], settings["data"]["train"] = {"languages": ()}, str(tones / "train.jsonl")
    with pytest.raises(ConfigError, match=r"prompt\.languages: name them"):
        RECOGNITION.assets(settings, RECOGNITION.source(settings, print), {})
