"""Changes the classes of a classifier: those in both models keep their weights."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.surgery.stated import changed
from jaxspeech.text.classes import Classes

# The layers whose outputs are the classes, one of which every decoder has.
HEADS = ("out", "classifier")


def change_classes(archive: Archive, classes: Classes, *, seed: int = 0) -> Archive:
    """Returns the model with other classes, for further training.

    Args:
      archive: a classifier, of recordings or of frames.
      classes: the new classes; those that the model has too, by their names, keep their weights.
      seed: for the weights of new classes.
    """
    old_names = archive.assets["classes"].names if "classes" in archive.assets else ()
    if old_names == classes.names:
        return archive
    model = {key: value for key, value in archive.model.items() if key != "class_weights"}
    model["num_classes"] = len(classes)
    [head] = [name for name in HEADS if name in archive.variables["params"]["decoder"]]
    fresh = jax.jit(lambda key: build(model).init(key)["params"]["decoder"][head])(jax.random.key(seed))
    old = {name: number for number, name in enumerate(old_names)}
    kept = [(new, old[name]) for new, name in enumerate(classes.names) if name in old]

    def change(keys: Any, leaf: Any) -> Any:
        _, *module, name = (key.key for key in keys)
        if module != ["decoder", head]:
            return leaf
        values = fresh[name].astype(leaf.dtype)
        if kept:
            to, source = (jnp.asarray(numbers) for numbers in zip(*kept, strict=True))
            values = values.at[..., to].set(jnp.asarray(leaf)[..., source])
        return values

    variables = jax.tree_util.tree_map_with_path(change, archive.variables)
    return changed(archive, model=model, assets={**archive.assets, "classes": classes}, variables=variables)
