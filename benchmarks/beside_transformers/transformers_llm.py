"""Times Transformers at what `benchmarks/generation.py` measures; runs in an environment with torch and transformers.

    PYTHON benchmarks/beside_transformers/transformers_llm.py --what=llm_decode_b8 --threads=2

PYTHON is that of an environment without this project, which is not imported. Random weights in the shape of
Qwen2.5-0.5B, float32. Decoding calls the model token by token with its cache and takes the argmax, which is less than
what `generate` does. Prints one JSON line with the keys of `python -m benchmarks`.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import transformers
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

CASES = {"llm_prefill": 1, "llm_prefill_b8": 8, "llm_decode": 1, "llm_decode_b8": 8}
PROMPT, COUNT = 256, 64
CONFIG = Qwen2Config(
    vocab_size=151936,
    hidden_size=896,
    intermediate_size=4864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
    rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    tie_word_embeddings=True,
    dtype="float32",
)


def measure(call, repeat):
    """Times `call` after one call that is not counted."""
    call()
    seconds, cpu_seconds = [], []
    for _ in range(repeat):
        started, cpu_started = time.perf_counter(), time.process_time()
        call()
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "n": repeat,
        "cpu_s": statistics.median(cpu_seconds),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main():
    """Measures one case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", choices=CASES, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(CONFIG).eval()
    batch = CASES[args.what]
    ids = torch.randint(0, CONFIG.vocab_size, (batch, PROMPT))

    def run(ids, cache):
        return model(ids, cache=cache, use_cache=True, logits_to_keep=1).logits[:, -1]

    with torch.inference_mode():
        if args.what.startswith("llm_prefill"):
            times, tokens = measure(lambda: run(ids, DynamicCache(config=CONFIG)), args.repeat), PROMPT
        else:
            cache = DynamicCache(config=CONFIG)
            first = run(ids, cache).argmax(-1, keepdim=True)

            def decode():
                token = first
                for _ in range(COUNT - 1):
                    token = run(token, cache).argmax(-1, keepdim=True)
                cache.crop(-(COUNT - 1))

            times, tokens = measure(decode, args.repeat), COUNT
    sizes = {"batch": batch, "prompt": PROMPT, "params": sum(x.numel() for x in model.parameters())}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "threads": args.threads}
    speed = {"tokens_per_s": batch * tokens / times["median_s"]}
    print(json.dumps({"what": args.what, **versions, **sizes, **times, **speed}))


if __name__ == "__main__":
    main()
