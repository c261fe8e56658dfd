"""Shape of the Abyssal encoder: what ``config.json`` holds."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PretrainedConfig

MODEL_TYPE = "abyssal-encoder"


class AbyssalEncoderConfig(PretrainedConfig):  # type: ignore[misc,unused-ignore]
    """Sizes of both branches.

    Args:
        kmer_size: letters of a k-mer of the wide branch (bases).
        dimension: length of the vectors.
        residual_width: hidden units of the wide branch's residual network.
        stem_width: channels of the first convolution.
        stem_kernel, stem_stride: window and step of the first convolution (bases).
        patch_kernel, patch_stride: window and step of the second convolution (positions of the first one).
        width: channels of a token.
        layers: transformer layers; 0 leaves the deep branch out altogether.
        heads: attention heads; each has an even number of channels.
        max_bases: letters of a sequence that the deep branch reads (bases); the wide branch reads all of them.
    """

    model_type = MODEL_TYPE

    def __init__(  # noqa: PLR0913 - a configuration is its list of sizes
        self,
        kmer_size: int = 6,
        dimension: int = 384,
        residual_width: int = 384,
        stem_width: int = 64,
        stem_kernel: int = 9,
        stem_stride: int = 3,
        patch_kernel: int = 8,
        patch_stride: int = 4,
        width: int = 96,
        layers: int = 2,
        heads: int = 4,
        max_bases: int = 2000,
        **kwargs: Any,
    ) -> None:
        self.kmer_size = kmer_size
        self.dimension = dimension
        self.residual_width = residual_width
        self.stem_width = stem_width
        self.stem_kernel = stem_kernel
        self.stem_stride = stem_stride
        self.patch_kernel = patch_kernel
        self.patch_stride = patch_stride
        self.width = width
        self.layers = layers
        self.heads = heads
        self.max_bases = max_bases
        super().__init__(**kwargs)


AutoConfig.register(MODEL_TYPE, AbyssalEncoderConfig)
