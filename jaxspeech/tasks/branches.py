"""The variables of models that are made of other models: {"params": {"speech": ..., "vocoder": ...}, ...}.

Each of them is a branch of every collection that it has.
"""

import re

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


def matching(variables: Variables, pattern: str) -> Variables:
    """The variables whose names within their collection ("generator/up/kernel") a regular expression matches."""
    found = {collection: _matching(tree, re.compile(pattern), "") for collection, tree in variables.items()}
    return {collection: tree for collection, tree in found.items() if tree}


def _matching(tree: Variables, pattern: re.Pattern[str], place: str) -> Variables:
    kept: Variables = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            below = _matching(value, pattern, f"{place}{key}/")
            kept |= {key: below} if below else {}
        elif pattern.search(f"{place}{key}"):
            kept[key] = value
    return kept
