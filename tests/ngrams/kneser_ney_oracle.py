"""Modified Kneser-Ney by dictionaries over all n-grams, in float64, straight from Chen & Goodman's formulas."""

from collections import Counter, defaultdict


def raw_counts(texts, order):
    """c of the n-grams of every length that begin with at most one <s>."""
    counts = Counter()
    for text in texts:
        marked = ["<s>", *text, "</s>"]
        for n in range(1, order + 1):
            for i in range(len(marked) - n + 1):
                counts[tuple(marked[i : i + n])] += 1
    del counts[("<s>",)]
    return counts


def adjusted_counts(raw, order):
    before = defaultdict(set)
    for ngram in raw:
        before[ngram[1:]].add(ngram[0])
    return {g: c if len(g) == order or g[0] == "<s>" else len(before[g]) for g, c in raw.items()}


def discounts(adjusted, n):
    """D(1), D(2), D(3) of an order, with KenLM's rule for corpora that have none."""
    t = Counter(a for ngram, a in adjusted.items() if len(ngram) == n)
    if all(t[k] for k in (1, 2, 3)):
        y = t[1] / (t[1] + 2 * t[2])
        found = [k - (k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3)]
        if min(found) >= 0:
            return found
    return [0.5, 1.0, 1.5]


def model(texts, order, prune):
    """The function p(w, h), and the n-grams that are kept."""
    raw = raw_counts(texts, order)
    adjusted = adjusted_counts(raw, order)
    kept = {g for g, c in raw.items() if c > prune[len(g) - 1]}
    of_order = {n: discounts(adjusted, n) for n in range(1, order + 1)}
    following = defaultdict(list)
    for ngram in raw:
        following[ngram[:-1]].append(ngram)
    types = len(following[()]) + 1

    def taken(ngram):
        return of_order[len(ngram)][min(adjusted[ngram], 3) - 1] if ngram in kept else adjusted[ngram]

    def p(w, h):
        if not following[h]:
            return p(w, h[1:])
        total = sum(adjusted[g] for g in following[h])
        backoff = sum(map(taken, following[h])) / total
        own = (adjusted[*h, w] - taken((*h, w))) / total if (*h, w) in raw else 0
        return own + backoff * (p(w, h[1:]) if h else 1 / types)

    return p, kept
