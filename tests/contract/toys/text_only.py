"""A text-only model: it predicts the next token from the last one."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.data.evaluation_text import EvaluationTextBlocks
from jaxspeech.data.problems import Problems
from jaxspeech.data.run_data import RunData
from jaxspeech.data.text_blocks import TextBlocks
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, as_it_is
from jaxspeech.masks import length_mask
from jaxspeech.tasks.kinds import Generation
from jaxspeech.tasks.parts import Kind
from jaxspeech.tasks.task import Task
from jaxspeech.text.char import CharTokenizer
from jaxspeech.types import Phase, RowLosses

LENGTH = 6


class Blocks(NamedTuple):
    tokens: Any
    num_tokens: Any
    index: Any


class Bigram(nn.Module):
    vocab_size: int = 0

    @nn.compact
    def __call__(self, tokens):
        one_hot = jax.nn.one_hot(tokens, self.vocab_size + 1)  # the end token has the blank's id
        return nn.Dense(self.vocab_size + 1, name="next")(one_hot)


def bigram_task(model: Bigram) -> Task:
    def init(key):
        return dict(model.init(key, jnp.zeros((1, 1), jnp.int32)))

    def nll(variables, batch):
        """Negative log-likelihood and number of targets of each row."""
        log_probs = jax.nn.log_softmax(model.apply(variables, batch.tokens[:, :-1]))
        real = length_mask(batch.num_tokens - 1, batch.tokens.shape[1] - 1)
        targets = jnp.where(real, batch.tokens[:, 1:], 0)
        picked = jnp.take_along_axis(log_probs, targets[..., None], -1)[..., 0]
        return -jnp.where(real, picked, 0).sum(1), real.sum(1)

    def loss(variables, batch, key):
        losses, count = nll(variables, batch)
        return RowLosses(losses, count.astype(jnp.float32), {}), {}

    return Task(
        model=model,
        batch=Blocks,
        init=init,
        phases=(Phase(loss),),
        predict=nll,
        seconds=lambda batch: jnp.zeros(batch.index.shape),
        inference=Generation(
            start=lambda variables, condition: (),
            step=lambda variables, ids, state: (model.apply(variables, ids), state),
        ),
    )


def perplexity() -> Evaluation:
    def score(found, fields):
        nll, count = np.array(list(found.values())).sum(0)
        return {"perplexity": float(np.exp(nll / max(count, 1)))}

    return Evaluation(
        lower_is_better=True,
        collect=lambda found, batch: list(zip(found[0].tolist(), found[1].tolist(), strict=True)),
        score=score,
        show=lambda scores: f"perplexity {scores['perplexity']:.2f}",
        sample=lambda found, fields: f"  {found[0] / max(found[1], 1):.2f} nats a token: {fields['text']!r}",
        identity=("text",),
    )


def data(settings, paths, assets, task, placement, report) -> RunData:
    options = settings["data"]
    process_index, process_count = placement.share
    shared = {"length": LENGTH, "process_index": process_index, "process_count": process_count}
    train = TextBlocks(
        paths,
        assets["tokenizer"],
        task.batch,
        batch_size=options["batch_size"],
        seed=options["seed"],
        data_shards=placement.data_shards * placement.accumulate,
        problems=Problems(report=report),
        **shared,
    )
    sets = {
        name: EvaluationTextBlocks(
            [path],
            assets["tokenizer"],
            task.batch,
            batch_size=options["eval_batch_size"],
            data_shards=placement.data_shards,
            **shared,
        )
        for name, path in options["eval"].items()
    }
    return RunData(train, sets, dict.fromkeys(sets, "toy"))


JOB = Job(
    source=lambda settings, report: list(settings["data"]["train"]),
    assets=lambda settings, paths, given: {"tokenizer": given.get("tokenizer", CharTokenizer([" ", "a", "b", "c"]))},
    sized=lambda model, assets: model | {"vocab_size": assets["tokenizer"].vocab_size},
    data=data,
    evaluation=lambda settings, assets, task: perplexity(),
    adapted=as_it_is,
    describe=lambda assets: f"{assets['tokenizer'].vocab_size} tokens",
)
NAME = "toy_text"
KIND = Kind(Bigram, bigram_task, {}, values={"vocab_size": None})
ASSETS: dict[str, Any] = {}
MODEL = {"task": NAME}
