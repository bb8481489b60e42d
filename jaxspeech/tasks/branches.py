"""Parts of variables: {"params": {"speech": ..., "vocoder": ...}, ...}.

Each part of a model, or each of the models that it is made of, is a branch of every collection that it has.
"""

from jaxspeech.types import Variables


def branch(variables: Variables, name: str) -> Variables:
    """The variables of one of the models."""
    return {collection: tree[name] for collection, tree in variables.items() if name in tree}


def with_branch(variables: Variables, name: str, own: Variables) -> Variables:
    """The variables with those of one of the models replaced, or added."""
    changed = {collection: {k: v for k, v in tree.items() if k != name} for collection, tree in variables.items()}
    for collection, tree in own.items():
        changed[collection] = {**changed.get(collection, {}), name: tree}
    return changed


def without_parts(variables: Variables, *names: str) -> Variables:
    """The variables without some parts of the model, such as its discriminators."""
    found = {collection: {k: v for k, v in tree.items() if k not in names} for collection, tree in variables.items()}
    return {collection: tree for collection, tree in found.items() if tree}
