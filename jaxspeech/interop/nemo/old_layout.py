"""Rewrites configurations in the layout of NeMo's 1.0 betas, which later versions of NeMo restore too.

encoder: {cls: nemo...ConvASREncoder, params: {feat_in: 64}}    ->    encoder: {_target_: nemo..., feat_in: 64}
"""

from collections.abc import Mapping
from typing import Any


def in_present_layout(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with the class of each section as `_target_`, and its arguments in the section itself.

    At the top, `target` names the model's class to this day. A configuration in the present layout does not change.
    """
    top = _without_params(config)
    return {key: _rewritten(value) if isinstance(value, Mapping) else value for key, value in top.items()}


def _rewritten(section: Mapping[str, Any]) -> dict[str, Any]:
    section = _without_params(section)
    key = "target" if str(section.get("target")).startswith("nemo.") else "cls"
    if key in section and "_target_" not in section:
        section = {"_target_": section.pop(key)} | section
    return {name: _rewritten(value) if isinstance(value, Mapping) else value for name, value in section.items()}


def _without_params(section: Mapping[str, Any]) -> dict[str, Any]:
    """Moves what is in `params` to the section itself."""
    params = section.get("params")
    if not isinstance(params, Mapping):
        return dict(section)
    return {key: value for key, value in section.items() if key != "params"} | dict(params)
