"""The head of speaker models: pooling, the embedding, and a classifier over the speakers of the training data.

pooled = pool(encoded);  embedding = layers(pooled);  logits = classifier(embedding)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.decoders.pooling import AttentivePooling, mean_pool, statistics_pool
from jaxspeech.errors import did_you_mean
from jaxspeech.nn.initializers import convolutional, uniform_within
from jaxspeech.nn.normalization import BatchNorm, LayerNorm
from jaxspeech.nn.products import dot_general, einsum
from jaxspeech.types import Size

POOLINGS = ("attention", "statistics", "mean")
NORMS = ("batch", "layer")
# A vector that is shorter than this is not normalised further.
LEAST_NORM = 1e-12


class SpeakerHead(nn.Module):
    """Pools encoder frames to an embedding, and classifies it.

    With attention a layer is norm, then affine, and the embedding is the last one's output. Otherwise it is affine,
    norm without parameters, then ReLU, and the embedding is what the last ReLU takes.

    Attributes:
      num_classes: C, the speakers of the training data.
      pooling: "attention", "statistics" (mean and deviation) or "mean".
      attention_width: of the inner layer of the attention.
      embedding_widths: of the layers; the last one is E.
      angular: classify the normalised embedding by a product without bias, for an angular loss.
      center: normalise the output of the last layer over the batch, without parameters: embeddings of all speakers then
        have a mean of zero. For attention; after other pooling it is always done.
      normalize_weights: normalise the classifier's weights too, so that the logits are cosines. NeMo's models do not.
      norm: "batch", or "layer" for batches of a few recordings.
      norm_over_padding: whether padded frames count in the statistics of the attention's batch norm.
    """

    num_classes: int = 0
    pooling: str = "attention"
    attention_width: int = 128
    embedding_widths: tuple[int, ...] = (192,)
    angular: bool = True
    center: bool = False
    normalize_weights: bool = True
    norm: str = "batch"
    norm_over_padding: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, value, known in (("pooling", self.pooling, POOLINGS), ("norm", self.norm, NORMS)):
            if value not in known:
                raise TypeError(f"{field} {value!r}{did_you_mean(str(value), known)}")
        if not self.embedding_widths or any(not isinstance(n, int) or n < 1 for n in self.embedding_widths):
            raise TypeError(f"embedding_widths is {self.embedding_widths!r}; it must be a list of positive integers")

    @property
    def width(self) -> int:
        """E, the width of the embedding."""
        return self.embedding_widths[-1]

    @nn.compact
    def __call__(
        self,
        encoded: Float[Array, "B T D"],
        num_frames: Int[Array, " B"],
        *,
        num_classes: Size | None = None,
        train: bool = False,
    ) -> tuple[Float[Array, "B C"], Float[Array, "B E"]]:
        """Returns the logits of the speakers and the embedding, which is not normalised; both in float32.

        `num_classes` is C of a model that knows it; None: that of the head.
        """
        count = self.num_classes if num_classes is None else num_classes
        x = self._pooled(encoded.astype(jnp.float32), num_frames, train=train)
        counted, embedding = num_frames > 0, x
        attends = self.pooling == "attention"
        for i, width in enumerate(self.embedding_widths):
            x = self._norm(x, counted, i, affine=True, train=train) if attends else x
            x = _dense(width, x.shape[-1], name=f"layer_{i}")(x)
            x = embedding = x if attends else self._norm(x, counted, i, affine=False, train=train)
            x = x if attends else jax.nn.relu(x)
        if attends and self.center:
            x = embedding = self._norm(x, counted, len(self.embedding_widths), affine=False, train=train)
        if self.angular:
            return CosineClassifier(count, self.normalize_weights, name="classifier")(unit(x)), embedding
        return _dense(count, x.shape[-1], name="classifier")(x), embedding

    def logits(
        self, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, num_classes: Size, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes the logits alone, of any classes: languages as well as speakers."""
        return self(encoded, num_frames, num_classes=num_classes, train=train)[0]

    def _pooled(self, x: Array, num_frames: Array, *, train: bool) -> Array:
        if self.pooling == "attention":
            pool = AttentivePooling(self.attention_width, self.norm, self.norm_over_padding, name="attention")
            return pool(x, num_frames, train=train)
        return (statistics_pool if self.pooling == "statistics" else mean_pool)(x, num_frames)

    def _norm(self, x: Array, counted: Array, i: int, *, affine: bool, train: bool) -> Array:
        if self.norm == "layer":
            return LayerNorm(name=f"norm_{i}")(x)
        return BatchNorm(affine=affine, name=f"norm_{i}")(x[:, None], counted[:, None], train=train)[:, 0]


class CosineClassifier(nn.Module):
    """A product without bias; with `normalize` its columns have length 1, so that those of unit vectors are cosines."""

    num_classes: int
    normalize: bool

    @nn.compact
    def __call__(self, x: Float[Array, "B E"]) -> Float[Array, "B C"]:
        shape = (x.shape[-1], self.num_classes)
        kernel = self.param("kernel", convolutional("xavier_uniform", *shape), shape)
        return einsum("be,ec->bc", x, unit(kernel, axis=0) if self.normalize else kernel)


def _dense(features: int, fan_in: int, *, name: str) -> nn.Dense:
    """An affine layer with the initial values of NeMo's."""
    kernel, bias = convolutional("xavier_uniform", fan_in, features), uniform_within(fan_in**-0.5)
    return nn.Dense(features, kernel_init=kernel, bias_init=bias, dot_general=dot_general, name=name)


def unit(x: Float[Array, "..."], *, axis: int = -1) -> Float[Array, "..."]:
    """Normalises vectors to length 1; the gradient is finite for zeros too."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.square(x).sum(axis, keepdims=True), LEAST_NORM**2))
