"""A tiny transducer for the tests of the searches, and a plain greedy search, frame by frame."""

import numpy as np

J = 6  # joint width


class TinyTransducer:
    """A recurrent prediction network and a joint with random weights, which run in NumPy and in JAX."""

    def __init__(self, seed, *, vocab_size, extra=0, blank_bias=0.0, scale=3.0):
        rng = np.random.default_rng(seed)
        self.vocab_size = vocab_size
        self.embedding = rng.normal(size=(vocab_size + 1, J)).astype(np.float32)
        self.recurrent = (rng.normal(size=(J, J)) / np.sqrt(J)).astype(np.float32)
        self.kernel = (scale * rng.normal(size=(J, vocab_size + 1 + extra)) / np.sqrt(J)).astype(np.float32)
        self.bias = rng.normal(size=vocab_size + 1 + extra).astype(np.float32)
        self.bias[vocab_size] += blank_bias

    def initial(self, batch_size):
        return {"hidden": np.zeros((batch_size, J), np.float32)}

    def predict(self, labels, state, xp=np):
        hidden = xp.tanh(xp.asarray(self.embedding)[labels] + state["hidden"] @ self.recurrent)
        return hidden, {"hidden": hidden}

    def joint(self, encoded, predicted, xp=np):
        return xp.maximum(encoded + predicted, 0) @ self.kernel + self.bias


def log_softmax(x):
    return x - np.logaddexp.reduce(x)


def frame_by_frame(model, encoded, *, blank_id, durations=(), big_blank_durations=(), max_symbols=10, added=None):
    """Returns [(id, start, end, confidence)], score and [(frame, label, logits)] of one utterance, encoded [T J].

    `added`, tokens -> what is added to the logits of the V tokens, chooses among tokens, not whether one follows.
    """
    predicted, state = model.predict(np.array([model.vocab_size]), model.initial(1))
    tokens, score, steps, time, in_frame = [], 0.0, [], 0, 0
    while time < len(encoded):
        logits = model.joint(encoded[time], predicted[0]).astype(np.float64)
        label = int(logits[: blank_id + 1].argmax())
        steps.append((time, label, logits))
        jump = durations[int(logits[blank_id + 1 :].argmax())] if durations else 0
        if label >= blank_id - len(big_blank_durations):
            jump = max(jump, 1)
            if label < blank_id:
                jump = big_blank_durations[blank_id - 1 - label]
        else:
            sure, more = np.exp(log_softmax(logits[: blank_id + 1])[label]), 0
            if added is not None:
                more = added([token[0] for token in tokens])
                label = int((logits[: len(more)] + more).argmax())
                more = more[label]
            tokens.append((label, time, time + (jump if durations else 1), sure))
            score += log_softmax(logits)[label] + more
            predicted, state = model.predict(np.array([label]), state)
            in_frame += 1
            if jump == 0 and in_frame == max_symbols:
                jump = 1
        in_frame = in_frame if jump == 0 else 0
        time += jump
    return tokens, score, steps


def enumerate_tokens(
    model,
    encoded,
    *,
    blank_id,
    durations=(),
    big_blank_durations=(),
    max_symbols=10,
    scores=lambda of_symbol, tokens: of_symbol,
):
    """Enumerates all paths of one utterance; returns {tokens: log of the total probability of their alignments}.

    `scores` makes another score of the symbols' log-probabilities and the tokens before them.
    """
    vocab_size = blank_id - len(big_blank_durations)
    totals = {}

    def walk(tokens, predicted, state, time, in_frame, log_prob):
        if time >= len(encoded):
            totals[tokens] = np.logaddexp(totals.get(tokens, -np.inf), log_prob)
            return
        logits = model.joint(encoded[time], predicted[0]).astype(np.float64)
        of_symbol = log_softmax(logits[: blank_id + 1])
        if scores is not None:
            of_symbol = scores(of_symbol, tokens)
        of_duration = log_softmax(logits[blank_id + 1 :]) if durations else [0.0]
        for symbol in range(vocab_size if in_frame >= max_symbols else 0, blank_id + 1):
            after = model.predict(np.array([symbol]), state) if symbol < vocab_size else (predicted, state)
            for jump, more in zip(durations or (0,), of_duration, strict=True):
                if symbol >= vocab_size:
                    jump = big_blank_durations[blank_id - 1 - symbol] if symbol < blank_id else max(jump, 1)
                longer = (*tokens, symbol) if symbol < vocab_size else tokens
                count = 0 if jump else in_frame + 1
                walk(longer, *after, time + jump, count, log_prob + of_symbol[symbol] + more)

    walk((), *model.predict(np.array([model.vocab_size]), model.initial(1)), 0, 0, 0.0)
    return totals
