"""Prompts: the grammar against tables, tokens against known ids, encoding against a slow one written out here."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint, clip
from nodes.diffusion.files import WeightsError
from nodes.diffusion.prompt import Token, chunks, segments
from nodes.diffusion.tokenizer import tokenizer_for
from nodes.diffusion.weights import Weights
from nodes.types import Clip
from tests.diffusion import tiny
from tests.diffusion.conftest import Written

START, END = 49406, 49407


def clip_of(path: Path) -> Clip:
    found = checkpoint.open_checkpoint(path).clip
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a cat", [("a cat", 1.0)]),
        ("(cat)", [("cat", 1.1)]),
        ("((dog))", [("dog", 1.21)]),
        ("a (red:1.3) fox", [("a ", 1.0), ("red", 1.3), (" fox", 1.0)]),
        ("(a, (b), c:1.4)", [("a, ", 1.4), ("b", 1.54), (", c", 1.4)]),
        ("(a (b:0.5) c)", [("a ", 1.1), ("b", 0.5), (" c", 1.1)]),
        ("(red:1.2:1.5)", [("red:1.2", 1.5)]),
        ("(:1.3)", [(":1.3", 1.1)]),
        ("(a:-0.5)", [("a", -0.5)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("()", []),
        ("[a]", [("[a]", 1.0)]),
        (r"\(a\)", [("(a)", 1.0)]),
        (r"(a\)b:1.2)", [("a)b", 1.2)]),
        ("(open", [("(open", 1.0)]),
        ("close) after", [("close) after", 1.0)]),
        ("a) (b:1.5)", [("a) (b:1.5)", 1.0)]),
        ("a BREAK b AND c", [("a BREAK b AND c", 1.0)]),
    ],
)
def test_the_weighting_grammar(text: str, expected: list[tuple[str, float]]) -> None:
    assert [(s.text, pytest.approx(s.weight)) for s in segments(text)] == expected


def test_parentheses_nest_as_deep_as_anyone_writes() -> None:
    deep = 5_000
    (found,) = segments("(" * deep + "x" + ")" * deep)

    assert found.text == "x"


def ids(text: str) -> list[int]:
    return tokenizer_for().ids(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("Hello,   World!", [3306, 267, 1002, 256]),
        ("", []),
    ],
)
def test_the_vocabulary_is_clips(text: str, expected: list[int]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize("text", ["naïve café", "日本の城", "🦊🌲", "ТЕСТ", "'s don't", "a\tb\nc", "x" * 300])
def test_any_text_has_tokens(text: str) -> None:
    assert ids(text)
    assert all(0 <= number < START for number in ids(text))


def groups(*sizes: int) -> list[list[Token]]:
    numbers = iter(range(1, 1000))
    return [[Token(next(numbers)) for _ in range(size)] for size in sizes]


def values(chunked: list[list[Token]]) -> list[list[int]]:
    return [[t.value for t in chunk if isinstance(t.value, int)] for chunk in chunked]


def test_a_chunk_is_framed_and_padded() -> None:
    assert values(chunks(groups(2), 6, 90, 91, 0)) == [[90, 1, 2, 91, 0, 0]]
    assert values(chunks([], 4, 90, 91, 91)) == [[90, 91, 91, 91]]


def test_a_short_group_moves_whole_and_a_long_one_is_torn() -> None:
    moved = values(chunks(groups(8, 3), 12, 90, 91, 0))
    torn = values(chunks(groups(8, 9), 12, 90, 91, 0))

    assert moved == [[90, *range(1, 9), 91, 0, 0], [90, 9, 10, 11, 91, *[0] * 7]]
    assert torn == [[90, *range(1, 11), 91], [90, *range(11, 18), 91, 0, 0, 0]]


def test_exactly_full_chunks_are_followed_by_nothing() -> None:
    assert values(chunks(groups(10), 12, 90, 91, 0)) == [[90, *range(1, 11), 91]]


def slow_encode(path: Path, config: dict[str, object], weighted: list[tuple[int, float]], layer: int) -> Tensor:
    """One chunk through transformers' own model, token by token reweighted."""
    module = tiny.text_module(config)
    inner: Any = getattr(module, "text_model", module)

    def run(numbers: list[int]) -> Tensor:
        row = torch.tensor([[START, *numbers, END, *[END] * (75 - len(numbers))]])
        with torch.no_grad():
            states = inner(input_ids=row, output_hidden_states=True).hidden_states
            return inner.final_layer_norm(states[layer])[0]

    full, empty = run([n for n, _ in weighted]), run([])
    out = full.clone()
    for place, (_, weight) in enumerate(weighted, start=1):
        for channel in range(out.shape[1]):
            out[place, channel] = empty[place, channel] + weight * (full[place, channel] - empty[place, channel])
    return out[None]


@pytest.mark.parametrize("layer", [-1, -2, -3])
def test_encoding_agrees_with_a_slow_one(layer: int, weights: Weights, single_file: Written) -> None:
    path = single_file("sd15")
    handle = dataclasses.replace(clip_of(path), stop_at_layer=layer)
    weighted = [(n, 1.0) for n in ids("a ")] + [(n, 1.5) for n in ids("red")] + [(n, -0.5) for n in ids("fox jumps")]

    got = clip.encode(weights, handle, "a (red:1.5)(fox jumps:-0.5)").tokens

    expected = slow_encode(path, dict(tiny.FAMILIES["sd15"].texts["text_encoder"]), weighted, layer)
    # Rows in a batch of two and alone differ in the last bits of float32.
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_long_prompts_make_longer_conditionings(weights: Weights, single_file: Written) -> None:
    handle = clip_of(single_file("sd15"))

    encoded = clip.encode(weights, handle, "cat " * 200)

    assert encoded.tokens.shape == (1, 3 * 77, 64)
    assert torch.equal(encoded.pooled, clip.encode(weights, handle, "cat " * 75).pooled)


def test_weights_of_one_change_nothing_and_zero_gives_the_empty_prompt(weights: Weights, single_file: Written) -> None:
    handle = clip_of(single_file("sd15"))
    plain, empty = clip.encode(weights, handle, "cat").tokens, clip.encode(weights, handle, "").tokens

    torch.testing.assert_close(clip.encode(weights, handle, "(cat:1.0)").tokens, plain)
    nothing = clip.encode(weights, handle, "(cat:0.0)").tokens
    torch.testing.assert_close(nothing[:, 1], empty[:, 1])
    assert not torch.allclose(plain[:, 1], empty[:, 1])


def test_a_layer_that_is_not_there_is_the_last(weights: Weights, single_file: Written) -> None:
    handle = clip_of(single_file("sd15"))

    deep = clip.encode(weights, dataclasses.replace(handle, stop_at_layer=-24), "cat").tokens

    assert torch.equal(deep, clip.encode(weights, handle, "cat").tokens)


def test_sdxl_joins_two_encoders_without_norm(weights: Weights, single_file: Written) -> None:
    handle = clip_of(single_file("sdxl"))
    tiny_xl = tiny.FAMILIES["sdxl"].texts
    parts: list[Tensor] = []
    pooled = torch.empty(0)
    for config, pad in ((tiny_xl["text_encoder"], END), (tiny_xl["text_encoder_2"], 0)):
        module: Any = tiny.text_module(config)
        row = torch.tensor([[START, *ids("cat"), END, *[pad] * 74]])
        with torch.no_grad():
            output = getattr(module, "text_model", module)(input_ids=row, output_hidden_states=True)
            parts.append(output.hidden_states[-2])
            if hasattr(module, "text_projection"):
                pooled = module.text_projection(output.last_hidden_state[:, 2])

    got = clip.encode(weights, handle, "cat")

    torch.testing.assert_close(got.tokens, torch.cat(parts, dim=-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got.pooled, pooled, rtol=1e-5, atol=1e-5)


def test_sdxls_two_prompts_get_the_same_length(weights: Weights, single_file: Written) -> None:
    handle = clip_of(single_file("sdxl"))

    encoded = clip.encode(weights, handle, "cat", large_text="dog " * 100)

    assert encoded.tokens.shape == (1, 2 * 77, 192)
    assert torch.equal(encoded.pooled, clip.encode(weights, handle, "", large_text="dog " * 100).pooled)


def embedding(tmp_path: Path, width: int = 64, count: int = 2) -> Path:
    vectors = torch.randn((count, width), generator=torch.Generator().manual_seed(4))
    save_file({"emb_params": vectors}, tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


def test_an_embedding_stands_for_tokens(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    handle, path = clip_of(single_file("sd15")), embedding(tmp_path)

    def locate(name: str) -> Path | None:
        return path if name == "style" else None

    with_it = clip.tokenize(handle.sources[0], "a (embedding:style:1.2), cat", locate=locate)

    # The weight's colon ends the name only when the group is closed right after it.
    numbers = [t.value if isinstance(t.value, int) else "vector" for t in with_it[0]][:7]
    assert numbers == [START, *ids("a "), "vector", "vector", *ids(", cat"), END]
    assert [t.weight for t in with_it[0]][2:4] == [1.2, 1.2]
    plain = clip.encode(weights, handle, "a cat").tokens
    assert not torch.allclose(clip.encode(weights, handle, "a embedding:style cat", locate=locate).tokens, plain)


def test_a_vector_equal_to_a_tokens_gives_the_tokens_result(
    tmp_path: Path, weights: Weights, single_file: Written
) -> None:
    handle = clip_of(single_file("sd15"))
    (cat,) = ids("cat")
    with weights.text(handle) as (encoder,):
        vector = encoder.text_model.embeddings.token_embedding.weight[cat]
    save_file({"emb_params": vector.clone()[None]}, tmp_path / "cat.safetensors")

    def locate(name: str) -> Path | None:
        return tmp_path / "cat.safetensors" if name == "cat" else None

    got = clip.encode(weights, handle, "a embedding:cat, dog", locate=locate)

    assert torch.equal(got.tokens, clip.encode(weights, handle, "a cat , dog").tokens)


@pytest.mark.parametrize("comma", [",", ",,"])
def test_commas_after_an_embedding_are_text(tmp_path: Path, single_file: Written, comma: str) -> None:
    handle, path = clip_of(single_file("sd15")), embedding(tmp_path, count=1)

    found = clip.tokenize(
        handle.sources[0], f"embedding:style{comma} cat", locate=lambda name: path if name == "style" else None
    )

    assert [t.value for t in found[0]][2 : 2 + len(ids(comma + " cat"))] == ids(comma + " cat")


def test_an_unknown_embedding_is_left_out(single_file: Written, caplog: pytest.LogCaptureFixture) -> None:
    handle = clip_of(single_file("sd15"))

    found = clip.tokenize(handle.sources[0], "embedding:nothing a cat", locate=lambda _: None)

    assert [t.value for t in found[0]][:4] == [START, *ids("a cat"), END]
    assert "no embedding of this name" in caplog.text


def test_an_embedding_of_another_family_is_told(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    path = embedding(tmp_path, width=768)

    with pytest.raises(
        WeightsError, match=r"embedding for another model family: it has vectors of 768 numbers, SD 1\.x"
    ):
        clip.encode(weights, clip_of(single_file("sd15")), "embedding:style", locate=lambda _: path)


def own_tokenizer(folder: Path) -> None:
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(letter + "</w>" for letter in letters), "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")


def test_a_model_with_its_own_tokenizer_uses_it(tmp_path: Path, folder: Written) -> None:
    import shutil

    path = tmp_path / "own"
    shutil.copytree(folder("sd15"), path)
    own_tokenizer(path / "tokenizer")

    (chunk,) = clip.tokenize(clip_of(path).sources[0], "cat act", length=10)

    assert [t.value for t in chunk] == [54, 53, 0, 2, 45, 55, 55, 55, 55, 55]


def test_a_damaged_tokenizer_is_told(tmp_path: Path) -> None:
    own_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / "vocab.json").write_text('{"a": 1}')

    with pytest.raises(WeightsError, match="is no CLIP vocabulary"):
        tokenizer_for(tmp_path / "tokenizer")
    with pytest.raises(WeightsError, match="holds no tokenizer"):
        tokenizer_for(tmp_path / "nothing")
