from __future__ import annotations

import pytest

from nodes import old_loaders
from nodes.define import NodeError
from nodes.diffusion import options
from nodes.folders import Folders
from nodes.loaders import Parts
from tests.diffusion import tiny

CONFIG = """
model:
  params:
    parameterization: v
    cond_stage_config:
      params: {{layer_idx: {layer}}}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("base")
    tiny.write_single(root / "models" / "checkpoints" / "a.safetensors")
    configs = root / "models" / "configs"
    configs.mkdir()
    (configs / "mine.yaml").write_text(CONFIG.format(layer=-3), "utf-8")
    (configs / "deep.yaml").write_text(CONFIG.format(layer=5), "utf-8")
    (configs / "list.yaml").write_text("- model", "utf-8")
    return Folders.at(root)


def loaded(folders: Folders, config: str) -> Parts:
    return old_loaders.load_with_config(folders=folders, config_name=config, ckpt_name="a.safetensors")


@pytest.mark.parametrize(
    ("config", "kind", "layer"),
    [
        ("v1-inference.yaml", "eps", None),
        ("v1-inference_clip_skip_2_fp16.yaml", "eps", -2),
        ("anything_v3.yaml", "eps", -2),
        ("v2-inference-v.yaml", "v", None),
        ("v2-inference.yaml", "eps", None),
        ("mine.yaml", "v", -3),
    ],
)
def test_a_configuration_says_what_is_predicted_and_which_layer(
    folders: Folders, config: str, kind: str, layer: int | None
) -> None:
    found = loaded(folders, config)

    assert options.parametrization(found.model).kind == kind
    assert found.clip.stop_at_layer == layer


@pytest.mark.parametrize(
    ("config", "message"),
    [("list.yaml", "no configuration"), ("deep.yaml", "layer_idx is 5"), ("none.yaml", "not in models/configs")],
)
def test_a_configuration_that_is_none_is_told(folders: Folders, config: str, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        loaded(folders, config)
