"""The Abyssal encoder as a ``transformers`` model: ``AutoModel`` loads it once this module is imported."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.network import EncoderNetwork, EncoderSizes


@dataclass
class AbyssalEncoderOutput(ModelOutput):
    """``NetworkOutput`` in the library's own dress; ``pooler_output`` is the embedding."""

    pooler_output: Tensor | None = None
    last_hidden_state: Tensor | None = None
    token_mask: Tensor | None = None


class AbyssalEncoderModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Letter ids to unit vectors; the arithmetic is ``EncoderNetwork``'s."""

    config_class = AbyssalEncoderConfig
    base_model_prefix = "abyssal_encoder"
    main_input_name = "input_ids"

    def __init__(self, config: AbyssalEncoderConfig) -> None:
        super().__init__(config)
        self.network = EncoderNetwork(EncoderSizes.from_mapping(config.to_dict()))
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        """Leave the starting values alone: the network sets its own, the zeros among them matter."""

    def forward(
        self, input_ids: Tensor, profiles: Tensor | None = None, *, use_deep: bool | None = None
    ) -> AbyssalEncoderOutput:
        """Embed sequences; arguments as of ``EncoderNetwork.forward``."""
        result = self.network(input_ids, profiles, use_deep=use_deep)
        return AbyssalEncoderOutput(result.embedding, result.tokens, result.token_mask)


AutoModel.register(AbyssalEncoderConfig, AbyssalEncoderModel)
