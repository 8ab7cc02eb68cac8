"""An image encoder whose states are what adapters read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class VisionEncoder(nn.Module):
    """CLIP's or SigLIP's vision transformer, with CLIP's projection where the file has one."""

    def __init__(self, config: Mapping[str, Any], *, projection: bool, siglip: bool) -> None:
        super().__init__()
        self.siglip = siglip
        self.image_size: int = config["image_size"]
        model: Any = _siglip(config) if siglip else _clip(config)
        # Some versions of transformers wrap the transformer once more.
        self.vision_model: Any = getattr(model, "vision_model", model)
        wide = config.get("projection_dim", 0)
        self.visual_projection = nn.Linear(config["hidden_size"], wide, bias=False) if projection else None

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The last hidden states [B,T,D], those before the last layer, and what stands for the whole picture [B,E]."""
        output = self.vision_model(pixel_values=pixels, output_hidden_states=True)
        last, before = output.last_hidden_state, output.hidden_states[-2]
        if self.siglip:
            return last, before, last.mean(1)
        pooled = self.vision_model.post_layernorm(last[:, 0])
        return last, before, pooled if self.visual_projection is None else self.visual_projection(pooled)

    def restore_places(self) -> None:
        """Make the buffer that no file holds: the patches' numbers."""
        embeddings = self.vision_model.embeddings
        count = embeddings.position_embedding.num_embeddings
        embeddings.position_ids = torch.arange(count).unsqueeze(0)


def _clip(config: Mapping[str, Any]) -> Any:
    from transformers.models.clip.configuration_clip import CLIPVisionConfig  # noqa: PLC0415 -- slow to import
    from transformers.models.clip.modeling_clip import CLIPVisionModel  # noqa: PLC0415

    return CLIPVisionModel(CLIPVisionConfig(**config))


def _siglip(config: Mapping[str, Any]) -> Any:
    from transformers.models.siglip.configuration_siglip import SiglipVisionConfig  # noqa: PLC0415 -- slow to import
    from transformers.models.siglip.modeling_siglip import SiglipVisionModel  # noqa: PLC0415

    known: Any = SiglipVisionConfig(**config)
    known.vision_use_head = False
    return SiglipVisionModel(known)
