"""Measures how long it takes to make the tree of a list of phrases: reading, spelling, the tree, its arrays."""

import random
from functools import partial
from typing import Any

import jax

from benchmarks.timing import measure
from jaxspeech.inference.phrase_arena import PhraseArena
from jaxspeech.inference.phrase_trees import PhraseTrees
from jaxspeech.text.train import train_tokenizer

SYLLABLES = "ba bel cor da den el fa fin gar ha jo ka lin lo mar mi nor o pel ra rin sa sten ta tor u val wen zo"


def build(repeat: int, *, count: int) -> dict[str, Any]:
    """Make the tree of `count` made-up names in lower case, for a tokenizer of 512 pieces."""
    rng = random.Random(0)
    names: set[str] = set()
    while len(names) < count:
        names.add("".join(rng.choices(SYLLABLES.split(), k=rng.randint(2, 6))))
    listed = sorted(names)
    tokenizer = train_tokenizer(listed[:2000], type="bpe", vocab_size=512)

    def make() -> Any:
        arena = PhraseArena(tokenizer.vocab_size)
        arena.roots([PhraseTrees(tokenizer, attention=False).tree(listed)])
        return jax.tree.leaves(arena.ngram)

    times = measure(make, repeat or 5, warmup=1)
    return {"phrases": count, "array_mib": sum(x.nbytes for x in make()) / 2**20, **times}


CASES = {f"phrases_build_{count}": partial(build, count=count) for count in (200, 20_000)}
