"""Converts a model between its forms for inference and for training: same weights, same results."""

from collections.abc import Callable
from typing import Any

import jax

from jaxspeech.builder import TASKS, build
from jaxspeech.decoders.causal_transformer import CausalTransformer
from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.layer_stack import stack_layers, unstack_layers
from jaxspeech.forms.int8 import INT8, with_int8
from jaxspeech.forms.weight_norms import with_weight_norms, without_weight_norms
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.types import Variables

HALF = ("bfloat16", "float16")
# The modules whose layers can run as a scan over stacked weights.
STACKABLE = (FastConformer, CausalTransformer)


def for_inference(
    config: dict[str, Any], variables: Variables, *, dtype: str | None = None, platform: str | None = None
) -> tuple[dict[str, Any], Variables]:
    """Makes layers separate copies instead of a scan, which would slice the stacked weights at each step.

    The weight norms of a vocoder are multiplied into its kernels.

    In bfloat16 on a CPU, everything between the products is float32 (see `nn.products`). The products' weights are
    rounded only if `dtype` asks for half precision: a model whose config states it keeps its trained weights. Those of
    a language model become float32, which takes twice the memory of bfloat16, and a tenth of the time.

    Args:
      config: as `build` takes it; it is not changed.
      variables: of the same model.
      dtype: of the matrix products; None: as in the config. "int8" rounds the matrices of a language model (see
        `forms.int8`), and leaves the rest as in the config.
      platform: "cpu", "cuda", "tpu", ...: where the model will run; None: JAX's default.

    Returns:
      The configuration and variables of the same model.
    """
    if dtype == INT8:
        (config, variables), dtype = with_int8(config, variables), None
    for key in _models(config):
        part, own = for_inference(config[key], branch(variables, key), dtype=dtype, platform=platform)
        config, variables = config | {key: part}, with_branch(variables, key, own)
    single = unstacked(config)
    for key, field, _ in _parts(config):
        if single[key] is not config[key]:
            variables = _part_changed(variables, field, unstack_layers)
    config, variables = without_weight_norms(_of_any_device(single), variables)
    if dtype is not None:
        config = _in_dtype(config, dtype)
    if dtype in HALF:
        variables = jax.tree_util.tree_map_with_path(
            lambda path, x: x.astype(dtype) if path[-1].key == "kernel" and x.dtype != "int8" else x, variables
        )
    if (platform or jax.default_backend()) == "cpu":
        if _rounds_products(config):
            config = _in_dtype(config, "float32") | {"product_dtype": "bfloat16"}
        return _in_single_precision(config, variables)
    return config, variables


def _in_single_precision(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """Makes language models float32: for each token, XLA would convert all of their weights on a CPU."""
    for key, field, module in _parts(config):
        if module is CausalTransformer and "params" in variables:
            own = jax.tree.map(
                lambda x: x if x.dtype in ("int8", "float32") else x.astype("float32"), variables["params"][field]
            )
            variables = variables | {"params": variables["params"] | {field: own}}
            config = config | {key: config[key] | {"dtype": "float32"}}
    return config, variables


def unstacked(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the same model with separate layers; `config` itself if they are already."""
    for key, _, module in _parts(config):
        if module in STACKABLE and config[key].get("scan_layers", True):
            config = config | {key: config[key] | {"scan_layers": False}}
    return config


def _in_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Sets the dtype of every part that has one."""
    return config | {
        key: config[key] | {"dtype": dtype}
        for key, _, module in _parts(config)
        if "dtype" in module.__dataclass_fields__
    }


def _parts(config: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(key of the configuration, field of the model, class) of every part; `build` rejects parts left out here."""
    known = TASKS[config["task"]].parts if config.get("task") in TASKS else {}
    names = {key: config[key].get("name") for key in known if isinstance(config.get(key), dict)}
    return [(key, known[key].field, known[key].table[name]) for key, name in names.items() if name in known[key].table]


def _models(config: dict[str, Any]) -> list[str]:
    """The keys of the whole models of which the model is made."""
    return list(TASKS[config["task"]].models) if config.get("task") in TASKS else []


def _part_changed(variables: Variables, field: str, change: Callable[[Any], Any]) -> Variables:
    """Applies `change` to the variables of one part."""
    return {
        name: value | {field: change(value[field])} if field in value else value for name, value in variables.items()
    }


def _rounds_products(config: dict[str, Any]) -> bool:
    """Whether it is a bfloat16 model that can run in float32 with the operands of its products rounded."""
    values = TASKS[config["task"]].values if config.get("task") in TASKS else {}
    return "product_dtype" in values and config.get("encoder", {}).get("dtype") == "bfloat16"


def _of_any_device(config: dict[str, Any]) -> dict[str, Any]:
    """Undoes the CPU setting of `for_inference`: a model that was saved on a CPU may be loaded elsewhere."""
    if "product_dtype" not in config:
        return config
    rest = {key: value for key, value in config.items() if key != "product_dtype"}
    return _in_dtype(rest, config["product_dtype"])


def for_training(config: dict[str, Any], variables: Variables) -> tuple[dict[str, Any], Variables]:
    """The inverse of `for_inference`: stacks equal layers, which compile as one, and restores the model's dtype."""
    for key in _models(config):
        part, own = for_training(config[key], branch(variables, key))
        config, variables = config | {key: part}, with_branch(variables, key, own)
    config, variables = with_weight_norms(_of_any_device(config), variables)
    scanned = _scanned(config)
    for key, field, _ in _parts(config):
        if scanned[key] is not config[key]:
            variables = _part_changed(variables, field, stack_layers)
    return scanned, variables


def variable_shapes(config: dict[str, Any], task: Any) -> Variables:
    """The shapes of a model's variables; of equal layers only one is traced, as in a scan, however they are stored.

    Args:
      config: of the model.
      task: what `build` made from it.
    """
    scanned = _scanned(config)
    task = task if scanned is config else build(scanned)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    for key, field, _ in _parts(config):
        if scanned[key] is not config[key]:
            shapes = _part_changed(shapes, field, unstack_layers)
    return shapes


def _scanned(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the same model with stacked layers; `config` itself if they are or cannot be."""
    for key, _, module in _parts(config):
        single = not config[key].get("scan_layers", True) and not config[key].get("reduction")
        if module in STACKABLE and single:
            config = config | {key: config[key] | {"scan_layers": True}}
    return config
