"""The variables of models that are made of other models: {"params": {"speech": ..., "vocoder": ...}, ...}.

Each of them is a branch of every collection that it has.
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
