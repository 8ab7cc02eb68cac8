"""A CLIP text encoder whose every layer can be asked for, and whose input may hold learned vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class TextEncoder(nn.Module):
    """CLIP's text transformer, with its projection where it has one."""

    def __init__(self, config: Mapping[str, Any], *, projection: bool) -> None:
        super().__init__()
        from transformers.models.clip.configuration_clip import CLIPTextConfig  # noqa: PLC0415 -- slow to import
        from transformers.models.clip.modeling_clip import CLIPTextModel  # noqa: PLC0415

        known = CLIPTextConfig(**{k: v for k, v in config.items() if k not in ("architectures", "model_type")})
        model = CLIPTextModel(known)
        width = known.projection_dim or known.hidden_size
        # Some versions of transformers wrap the transformer once more.
        self.text_model: Any = getattr(model, "text_model", model)
        self.text_projection = nn.Linear(known.hidden_size, width, bias=False) if projection else None
        self.layers: int = known.num_hidden_layers
        self.width: int = known.hidden_size
        self.length: int = known.max_position_embeddings

    def forward(
        self,
        ids: Tensor,
        eos: int,
        layer: int = -1,
        *,
        normed: bool = True,
        vectors: Sequence[tuple[int, int, Tensor]] = (),
    ) -> tuple[Tensor, Tensor]:
        """Hidden states [B,T,D] of a layer counted from the end, and what the last says at the first `eos` [B,P].

        `vectors` are (row, place, vector) that stand for tokens. A layer that is not there is the last one, normed.
        """

        def with_vectors(_module: nn.Module, _args: object, embedded: Tensor) -> Tensor:
            for row, place, vector in vectors:
                embedded[row, place] = vector.to(embedded)
            return embedded

        hook = self.text_model.embeddings.token_embedding.register_forward_hook(with_vectors)
        try:
            output = self.text_model(input_ids=ids, output_hidden_states=True)
        finally:
            hook.remove()
        last = output.last_hidden_state
        hidden = last if -layer > self.layers else output.hidden_states[layer]
        if normed and -layer <= self.layers:
            hidden = self.text_model.final_layer_norm(hidden)
        at = (ids == eos).int().argmax(dim=-1)
        pooled = last[torch.arange(len(last), device=last.device), at]
        return hidden, pooled if self.text_projection is None else self.text_projection(pooled)
