"""Reads and writes .nemo files of NeMo's n-gram models (NGPU-LM), without torch.

Their tensors are those of the automaton in `graph`, where state 0 has an arc for each token of the vocabulary:

    arcs_weights, from_states, to_states, ilabels    [arcs + V]     sorted by state and label; V unused ones at the end
    start_end_arcs [S 2]; backoff_to_states, backoff_weights, final_weights [S]
    state_order [S]                                                 1 + the number of tokens of the state's history
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError, LanguageModelError
from jaxspeech.files import replace_atomically
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.plain_yaml import CONFIG
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.tar import add_member, end_tar
from jaxspeech.interop.nemo.writer import write_checkpoint
from jaxspeech.ngrams.graph import AFTER_BEGIN, ROOT, to_graph
from jaxspeech.ngrams.model import BEGIN, END, UNKNOWN, NgramModel, Ngrams, build_orders
from jaxspeech.search.ngram_graph import Graph

CLASS = "nemo.collections.asr.parts.submodules.ngram_lm.ngram_lm_batched.NGramGPULanguageModel"
NO_END = -10000.0  # NeMo's log p(</s>) of a model without it
DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError)


def read_automaton(path: str | os.PathLike[str]) -> tuple[Graph, dict[str, np.ndarray], dict[str, Any]]:
    """Reads the automaton of a language model or a boosting tree.

    Returns:
      The automaton; all tensors; and the configuration. The arcs of state 0 to itself are its backoff weight if they
      are equal, which is that of a token without an arc.

    Raises:
      LanguageModelError: the file is missing, damaged, or holds no automaton.
    """
    try:
        with NemoFile(Path(path)) as file:
            config = file.config()
            stored = read_checkpoint(file.open(WEIGHTS))
            tensors = {name.rpartition(".")[2]: np.asarray(tensor) for name, tensor in stored.items()}
            return _automaton(config, tensors), tensors, config
    except (ArchiveError, LanguageModelError) as error:
        raise LanguageModelError(f"{path}: {error}") from error
    except DAMAGE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LanguageModelError(f"{path}: no n-gram model of NeMo, or damaged ({reason})") from error


def read_nemo(path: str | os.PathLike[str]) -> NgramModel:
    """Reads a language model.

    Raises:
      LanguageModelError: as `read_automaton`; or it is a boosting tree.
    """
    graph, tensors, config = read_automaton(path)
    kind = str(config.get("target", "")).rpartition(".")[2]
    if graph.starts[1] != AFTER_BEGIN or "Boosting" in kind:
        raise LanguageModelError(f"{path}: a {kind or 'boosting tree'}, not a language model")
    order, highest = tensors["state_order"], int(config["max_order"])
    own = (order[graph.targets] == order[graph.sources] + 1) & (graph.targets != ROOT)
    parts: list[Ngrams] = []
    rows = np.zeros(len(order), np.int64)  # of each state's history among those of its order
    history = [np.zeros((0, n), np.int64) for n in range(highest)]
    history[0] = np.zeros((1, 0), np.int64)
    for n in range(1, highest + 1):
        arcs = order[graph.sources] == n
        sources, labels, targets = graph.sources[arcs], graph.labels[arcs], graph.targets[arcs]
        tokens = np.concatenate([history[n - 1][rows[sources]], labels[:, None]], axis=1)
        backoffs = np.where(own[arcs], graph.backoff_weights[targets], 0)
        if n < highest:
            kept = own[arcs]
            following = tokens[kept]
            if n == 1:
                following = np.concatenate([[[BEGIN]], following])
                rows[AFTER_BEGIN] = 0
            rows[targets[kept]] = np.arange(len(following) - int(kept.sum()), len(following))
            history[n] = following
        parts.append(Ngrams(tokens, graph.weights[arcs], backoffs))
    inherited = graph.backoff_weights + graph.finals[graph.backoffs]
    inherited[ROOT] = NO_END
    ends = np.flatnonzero(~np.isclose(graph.finals, inherited, rtol=1e-6, atol=1e-6) & (graph.finals > NO_END))
    for n in range(1, highest + 1):
        states = ends[order[ends] == n]
        tokens = np.concatenate([history[n - 1][rows[states]], np.full((len(states), 1), END)], axis=1)
        parts[n - 1] = _append(parts[n - 1], tokens, graph.finals[states], np.zeros(len(states)))
    begin = graph.backoff_weights[AFTER_BEGIN]
    specials = np.array([[BEGIN], [UNKNOWN]]), np.array([-99.0, graph.backoff_weights[ROOT]]), np.array([begin, 0])
    parts[0] = _append(parts[0], *specials)
    orders = build_orders(parts, int(config["vocab_size"]))
    return NgramModel(orders, int(config["vocab_size"]), unknown_each=True)


def write_nemo(path: str | os.PathLike[str], model: NgramModel) -> None:
    """Writes a language model that NeMo restores, as `NGramGPULanguageModel.restore_from` or as `ngram_lm_model`.

    Raises:
      LanguageModelError: the file cannot be written.
    """
    graph, vocab_size = to_graph(model), model.vocab_size
    tensors = _tensors(graph, vocab_size)
    config = {
        "num_states": len(graph.backoffs),
        "num_arcs": len(tensors["ilabels"]) - vocab_size,
        "max_order": len(model.orders),
        "vocab_size": vocab_size,
        "separate_bos_state": "true",
        "use_triton": "null",  # if it is installed
        "target": CLASS,
    }
    lines = "".join(f"{name}: {value}\n" for name, value in config.items())
    try:
        with replace_atomically(path) as temporary, open(temporary, "wb") as stream:
            add_member(stream, CONFIG, lambda target: target.write(lines.encode()))
            add_member(stream, WEIGHTS, lambda target: write_checkpoint(target, tensors.items()))
            end_tar(stream)
    except OSError as error:
        raise LanguageModelError(f"{path}: cannot be written ({error.strerror or error})") from error


def _tensors(graph: Graph, vocab_size: int) -> dict[str, np.ndarray]:
    missing = np.setdiff1d(np.arange(vocab_size), graph.labels[graph.sources == ROOT])
    loops = np.full(len(missing), ROOT)
    sources = np.concatenate([loops, graph.sources])
    labels = np.concatenate([missing, graph.labels])
    weights = np.concatenate([np.full(len(missing), graph.backoff_weights[ROOT]), graph.weights])
    targets = np.concatenate([loops, graph.targets])
    order = np.lexsort((labels, sources))
    sources, labels, weights, targets = (x[order] for x in (sources, labels, weights, targets))
    num_states = len(graph.backoffs)
    count = np.bincount(sources, minlength=num_states)
    ends = np.cumsum(count)
    state_order = np.ones(num_states, np.int64)
    state_order[AFTER_BEGIN] = 2
    # The arc to a state's own n-gram comes before those that only back off to it.
    reached, first = np.unique(graph.targets, return_index=True)
    reached, first = reached[reached != ROOT], first[reached != ROOT]
    for _ in range(num_states):
        longer = state_order[graph.sources[first]] + 1
        if (state_order[reached] == longer).all():
            break
        state_order[reached] = longer
    backoff_weights = graph.backoff_weights.copy()
    backoff_weights[ROOT] = 0
    more = (0, vocab_size)  # NeMo gathers V arcs from the first one of each state
    arrays = {
        "arcs_weights": np.pad(weights, more).astype(np.float32),
        "backoff_weights": backoff_weights.astype(np.float32),
        "final_weights": np.maximum(graph.finals, NO_END).astype(np.float32),
        "from_states": np.pad(sources, more),
        "to_states": np.pad(targets, more),
        "ilabels": np.pad(labels, more),
        "backoff_to_states": graph.backoffs,
        "start_end_arcs": np.stack([ends - count, ends], axis=1) * (count > 0)[:, None],
        "state_order": state_order,
    }
    return {name: x if x.dtype == np.float32 else x.astype(np.int32) for name, x in arrays.items()}


def _automaton(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Graph:
    """Returns the automaton of the tensors, after a check of their sizes and numbers."""
    num_states, num_arcs, vocab_size = (int(config[name]) for name in ("num_states", "num_arcs", "vocab_size"))
    states = ("backoff_to_states", "backoff_weights", "final_weights", "state_order")
    arcs = ("from_states", "ilabels", "arcs_weights", "to_states")
    if any(tensors[name].shape != (num_states,) for name in states) or any(len(tensors[x]) < num_arcs for x in arcs):
        raise LanguageModelError("the sizes of its tensors are not those of its configuration")
    sources, labels, weights, targets = (tensors[name][:num_arcs] for name in arcs)
    backoffs = tensors["backoff_to_states"]
    for numbers, above in ((sources, num_states), (targets, num_states), (backoffs, num_states), (labels, vocab_size)):
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < above):
            raise LanguageModelError("its automaton is damaged: a state or token is out of range")
    finals, owed = tensors["final_weights"], tensors["backoff_weights"]
    if not ((weights < np.inf).all() and (finals < np.inf).all() and np.isfinite(owed).all()):
        raise LanguageModelError("its automaton is damaged: a weight is no number")
    if (tensors["state_order"][backoffs[1:]] >= tensors["state_order"][1:]).any() or backoffs[0] != 0:
        raise LanguageModelError("its automaton is damaged: a state backs off to a longer one")
    loops = (sources == ROOT) & (targets == ROOT)
    loops &= (int(config["max_order"]) > 1) & (len(np.unique(weights[loops])) <= 1)
    backoff_weights = tensors["backoff_weights"].astype(np.float32)
    backoff_weights[ROOT] = weights[loops][0] if loops.any() else -np.inf
    kept = ~loops
    begin = AFTER_BEGIN if config.get("separate_bos_state", True) else ROOT
    return Graph(
        sources[kept].astype(np.int64),
        labels[kept].astype(np.int64),
        weights[kept],
        targets[kept].astype(np.int64),
        backoffs.astype(np.int64),
        backoff_weights,
        tensors["final_weights"].astype(np.float32),
        (ROOT, begin),
    )


def _append(part: Ngrams, *more: np.ndarray) -> Ngrams:
    return Ngrams(*(np.concatenate(both) for both in zip(part, more, strict=True)))
