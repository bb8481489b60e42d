"""Converts a model whose head embeds and classifies recordings between its two forms: same variables, same logits.

The embedding form (the task "speaker") gives the embedding, for verification; the classifying form (the task
"classification") gives the probabilities of the classes: of languages, or of the speakers of the training data.
"""

from typing import Any

HEAD = "speaker"
# Parts that both forms have.
SHARED = ("features", "encoder", "spec_augment", "product_dtype")


def classifying(model: dict[str, Any]) -> dict[str, Any]:
    """Returns the classifying form of an embedding model's configuration; that of any other model as it is.

    The logits of an angular head are cosines: as in its loss, they are scaled before the softmax.
    """
    if model.get("task") != "speaker":
        return model
    decoder = {"angular": True, **model["decoder"]}
    count, loss = decoder.pop("num_classes", 0), {"scale": 30.0, "label_smoothing": 0.0, **(model.get("loss") or {})}
    options = {"logit_scale": loss["scale"]} if decoder["angular"] else {"label_smoothing": loss["label_smoothing"]}
    shared = {name: model[name] for name in SHARED if name in model}
    return {"task": "classification", **shared, "decoder": decoder, "num_classes": count, **options}


def embedding(model: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `classifying`: the embedding form of a classifier with such a head; any other model as it is."""
    if model.get("task") != "classification" or model["decoder"].get("name") != HEAD:
        return model
    decoder = {"angular": True, **model["decoder"], "num_classes": model["num_classes"]}
    loss = {"scale": model.get("logit_scale", 1.0), "margin": 0.0} if decoder["angular"] else {}
    loss = loss or {"label_smoothing": model.get("label_smoothing", 0.0)}
    shared = {name: model[name] for name in SHARED if name in model}
    return {"task": "speaker", **shared, "decoder": decoder, "loss": loss}
