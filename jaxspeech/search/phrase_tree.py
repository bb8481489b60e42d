"""Makes a tree of phrases the automaton that a search queries, so that it prefers them, or avoids them (weight < 0).

phi(n)      = sum of the scores of the tokens from the root to node n: what a text has that is within a phrase at n
score(i, w) = w for a phrase's first token, sign(w) (|w| depth_scaling + ln(i + 1)) for token i = 1, 2, ...
E(n)        = what stays if the phrase breaks off at n: the scores of the phrases that are complete by then
backoff(n)  = (E(n) - phi(n)) - (E(f) - phi(f))           f = fail(n), the longest ending of n that is a node too

An arc has its token's score; where phrases share a token, the largest. So every text has, in the end, the scores of the
phrases in it and nothing for phrases that it has only begun, however they overlap. NeMo takes the score of a phrase
back that is the beginning or inside of a longer one which breaks off, or overlaps the next, and takes nothing back at
the end of a text, where an attention decoder's end has the best score of any token; `as_nemo` does the same.

Sources: Aho and Corasick (1975); TurboBias (Andrusenko et al., 2025); NeMo's `context_graph_universal.py` and
`boosting_graph_batched.py`.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxspeech.search.ngram_graph import Graph

# What NeMo adds to the score of the end of a text after a complete phrase, in the search of an attention decoder.
END_SCORE = 1.0


class _Tree(NamedTuple):
    """The nodes of a tree in the order in which they were made; the root is the first."""

    children: list[dict[int, int]]
    parents: list[int]
    labels: list[int]
    depths: list[int]
    scores: list[float]
    phi: list[float]
    complete: dict[int, float]  # nodes that end a phrase, with its score


def phrase_graph(
    phrases: Sequence[Sequence[int]],
    weights: Sequence[float] | None = None,
    *,
    depth_scaling: float = 2.0,
    unknown: float = 0.0,
    end: float | None = None,
    uniform: bool = False,
    as_nemo: bool = False,
    space: int | None = None,
    after_space: bool = False,
) -> Graph:
    """Makes the automaton of a list of phrases.

    Args:
      phrases: token ids of each, at least one.
      weights: w of each phrase, 1 by default.
      depth_scaling: how much more the second and later tokens count; 2 for CTC and transducers, 1 for attention.
      unknown: score of tokens that begin no phrase.
      end: for a decoder that predicts the end of the text as a token: what the end has after a complete phrase, besides
        the best score of a token that begins one, without which phrases would keep a text from ending; None: the end is
        no token. It takes back what was given to a broken phrase.
      uniform: the same score for all tokens, and the phrase's once more at its last token, as in Icefall.
      as_nemo: NeMo's scores where they differ, see above.
      space: a token that scores nothing at the beginning of a phrase, as it begins any word.
      after_space: whether the start of a text is taken for one.

    Raises:
      ValueError: a phrase has no tokens.
    """
    tree = _grown(phrases, weights or [1.0] * len(phrases), depth_scaling, uniform, as_nemo, space)
    order = _breadth_first(tree)
    fails = _fails(tree, order)
    backoffs = _taken_back_by_nemo(tree, fails, uniform) if as_nemo or uniform else _taken_back(tree, order, fails)
    scores = np.array(tree.scores)
    if uniform:
        ends = [node for node in tree.complete if tree.depths[node] > 1]
        scores[ends] += np.array(tree.phi)[ends]
    finals = np.zeros(len(order))
    if not as_nemo:
        for node in order[1:]:
            finals[node] = finals[fails[node]] + backoffs[node]
        if end is not None:
            finals += max(0.0, unknown, *scores[list(tree.children[0].values())])
    elif end is not None:
        finals = _best_next(tree, order, fails, scores, backoffs, unknown)
    if end is not None:
        finals[list(tree.complete)] += end
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    backoffs[0] = unknown
    start = int(places[tree.children[0].get(space, 0)]) if after_space and space is not None else 0
    return Graph(
        sources=places[np.array(tree.parents)[order[1:]]],
        labels=np.array(tree.labels)[order[1:]],
        weights=scores[order[1:]],
        targets=np.arange(1, len(order)),
        backoffs=places[np.array(fails)[order]],
        backoff_weights=backoffs[order],
        finals=finals[order],
        starts=(start, start),
    )


def _grown(
    phrases: Sequence[Sequence[int]],
    weights: Sequence[float],
    depth_scaling: float,
    uniform: bool,
    as_nemo: bool,
    space: int | None,
) -> _Tree:
    tree = _Tree([{}], [0], [-1], [0], [0.0], [0.0], {})
    children, parents, labels, depths, scores, phi, complete = tree
    rises = [0.0]
    for ids, weight in zip(phrases, weights, strict=True):
        if not ids:
            raise ValueError("a phrase has no tokens")
        sign, size = math.copysign(1.0, weight), abs(weight) * depth_scaling
        node, total, first = 0, 0.0, 1 if ids[0] == space else 0
        for i, token in enumerate(ids, -first):
            if i == len(rises):
                rises.append(math.log(i + 1))
            own = weight if i == 0 or uniform else sign * (size + rises[i])
            own = 0.0 if i < 0 else own
            total += own
            child = children[node].get(token)
            if child is None:
                child = children[node][token] = len(parents)
                children.append({})
                parents.append(node)
                labels.append(token)
                depths.append(i + 1 + first)
                scores.append(own)
                phi.append(phi[node] + own)
            else:
                scores[child] = max(scores[child], weight if as_nemo else own)
                phi[child] = phi[node] + scores[child]
            node = child
        complete[node] = max(total, complete.get(node, -math.inf))
    if not as_nemo:
        # A later phrase may have raised the score of a token above nodes that were there before.
        for node in range(1, len(parents)):
            phi[node] = phi[parents[node]] + scores[node]
    return tree


def _breadth_first(tree: _Tree) -> np.ndarray:
    """The nodes by depth, then by their parents' place, then by label, which is the order of NeMo's states."""
    return np.lexsort((tree.labels, tree.parents, tree.depths))


def _fails(tree: _Tree, order: np.ndarray) -> list[int]:
    """The longest ending of each node that is a node too; the root for those without one."""
    children, parents, labels = tree.children, tree.parents, tree.labels
    fails = [0] * len(parents)
    for node in order.tolist():
        parent, label = parents[node], labels[node]
        if parent == 0:
            continue
        fail = fails[parent]
        while fail and label not in children[fail]:
            fail = fails[fail]
        fails[node] = children[fail].get(label, 0)
    return fails


def _taken_back_by_nemo(tree: _Tree, fails: list[int], uniform: bool) -> np.ndarray:
    phi = np.array(tree.phi)
    backoffs = phi[fails] - phi
    kept = [node for node in tree.complete if not uniform or tree.depths[node] == 1]
    backoffs[kept] = 0.0
    return backoffs


def _taken_back(tree: _Tree, order: np.ndarray, fails: list[int]) -> np.ndarray:
    """The weight of each node's backoff; see the head of this file."""
    parents, depths, complete = tree.parents, tree.depths, tree.complete
    kept = [0.0] * len(parents)
    ending = [0] * len(parents)  # the longest ending that is a phrase, the node itself included
    for node in order.tolist()[1:]:
        fail = fails[node]
        ending[node] = node if node in complete else ending[fail]
        best, at = kept[parents[node]], ending[node]
        while at:
            before = node
            for _ in range(depths[at]):
                before = parents[before]
            found = kept[before] + complete[at]
            best = found if complete[at] < 0 else max(best, found)
            at = ending[fails[at]]
        kept[node] = best
    owed = np.array(kept) - np.array(tree.phi)
    return owed - owed[fails]


def _best_next(
    tree: _Tree, order: np.ndarray, fails: list[int], scores: np.ndarray, backoffs: np.ndarray, unknown: float
) -> np.ndarray:
    """The best score of any token after each node, at least 0."""
    children = tree.children
    ranked = [sorted(((scores[child], label) for label, child in own.items()), reverse=True) for own in children]
    best = np.zeros(len(children))
    for node in order.tolist():
        found, spent, at = max(0.0, unknown if node == 0 else -math.inf), 0.0, node
        seen: set[int] = set()
        while True:
            found = max(found, next((spent + score for score, label in ranked[at] if label not in seen), -math.inf))
            if at == 0:
                found = max(found, spent + unknown)
                break
            seen |= children[at].keys()
            spent, at = spent + backoffs[at], fails[at]
        best[node] = found
    return best
