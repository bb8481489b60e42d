"""Small n-gram models, and the probability of a token by a plain walk over a dictionary."""

import gzip

from jaxspeech.ngrams.model import END, NgramModel

ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=2

\\1-grams:
-99\t<s>\t-0.5
-1.2\t</s>
-2.0\t<unk>
-0.4\ta\t-0.3
-0.6\tb\t-0.2
-0.9\tc\t0.1

\\2-grams:
-0.3\t<s> a\t-0.25
-0.7\ta b\t-0.15
-0.2\tb c
-0.1\tb </s>
-0.8\tc a\t-0.05

\\3-grams:
-0.11\t<s> a b
-0.22\ta b </s>

\\end\\
"""


def write(path, text=ARPA):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def spelled(**words):
    """The file with other words for a, b and c."""
    head, *rest = ARPA.split("\n\n")
    lines = "\n\n".join(rest).split("\n")
    fields = [line.split("\t") for line in lines]
    for field in fields:
        if len(field) > 1:
            field[1] = " ".join(words.get(word, word) for word in field[1].split(" "))
    return head + "\n\n" + "\n".join(map("\t".join, fields))


def table_of(model: NgramModel):
    """The model as a dictionary: tokens -> (log p, backoff)."""
    return {
        tuple(row): values
        for n, table in enumerate(model.orders, start=1)
        for row, *values in zip(model.ngrams(n).tolist(), table.log_probs, table.backoffs, strict=True)
    }


def log_prob(table, history, token):
    """log p(token | history), natural, by the definition of backoff; a token without a unigram has none."""
    while True:
        if (*history, token) in table:
            return float(table[(*history, token)][0])
        if not history:
            return float("-inf")
        backoff = table[history][1] if history in table else 0.0
        return float(backoff) + log_prob(table, history[1:], token)


def ends(table, history):
    return log_prob(table, history, END)
