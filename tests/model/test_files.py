"""Which files a local model consists of, and refusals that name the file and say what to do."""

import json
import struct
from pathlib import Path

import pytest

from lookahead_ray.config.judge import ClassifierJudge
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.judges.registry import check_judge
from lookahead_ray.model.files import find_local, quantization
from lookahead_ray.model.fingerprint import fingerprint
from lookahead_ray.model.gguf import read_metadata
from lookahead_ray.model.load import check_model, load_tokenizer, model_hash
from tests.model.weight_files import NO_METADATA, NO_TENSORS, write_gguf


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check_model(ModelConfig(path=str(path)))
    message = str(caught.value)
    assert message.isprintable()
    return message


class TestGguf:
    def test_metadata_are_read_up_to_the_vocabulary(self, tmp_path: Path) -> None:
        metadata = {"general.architecture": "qwen3", "sizes": [3, 4], "qwen3.block_count": 28}
        file = write_gguf(tmp_path / "m.gguf", {**metadata, "tokenizer.ggml.model": "gpt2", "last": 1})
        assert read_metadata(file) == {**metadata, "sizes": None}

    def test_a_file_can_be_named(self, tmp_path: Path) -> None:
        for name in ("small-Q2_K.gguf", "small-F16.gguf"):
            write_gguf(tmp_path / name, {"general.architecture": "llama", "general.name": name})
        named = [str(tmp_path / name) for name in ("small-Q2_K.gguf", "small-F16.gguf")]
        for path in named:
            config = ModelConfig(path=path)
            assert check_model(config) == f"{path} ({Path(path).name})"
            assert find_local(path).gguf_file == Path(path).name
        assert len({fingerprint(path) for path in named}) == 2
        assert len({model_hash(ModelConfig(path=path)) for path in named}) == 2

    def test_several_in_a_folder_are_listed(self, tmp_path: Path) -> None:
        for name in ("a-Q4_0.gguf", "a-Q8_0.gguf", "mmproj-a.gguf", "big-00001-of-00003.gguf"):
            (tmp_path / name).write_bytes(NO_METADATA)
        message = refusal(tmp_path)
        assert f"got '{tmp_path}' with a-Q4_0.gguf, a-Q8_0.gguf: write {tmp_path / 'a-Q4_0.gguf'}" in message

    def test_the_one_model_of_a_folder_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "a-Q4_0.gguf").write_bytes(NO_METADATA)
        write_gguf(tmp_path / "vision.gguf", {"general.architecture": "clip"})
        write_gguf(tmp_path / "style.gguf", {"general.type": "adapter"})
        (tmp_path / "a-mmproj-f16.gguf").write_bytes(NO_METADATA)
        assert check_model(ModelConfig(path=str(tmp_path))) == f"{tmp_path} (a-Q4_0.gguf)"

    def test_parts_are_refused_with_the_way_to_join_them(self, tmp_path: Path) -> None:
        for part in ("00001", "00002"):
            (tmp_path / f"big-{part}-of-00002.gguf").write_bytes(NO_METADATA)
        join = "`llama-gguf-split --merge big-00001-of-00002.gguf big.gguf`"
        assert join in refusal(tmp_path)
        assert join in refusal(tmp_path / "big-00002-of-00002.gguf")
        renamed = write_gguf(tmp_path / "first.gguf", {"split.count": 3})
        assert "is one of 3 parts of a split file" in refusal(renamed)

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            (b"", "is no GGUF file (0 bytes)"),
            (b"GGUF" + struct.pack("<IQQ", 3, 0, 2), "is no GGUF file (24 bytes)"),
        ],
        ids=["empty", "cut off"],
    )
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes, rule: str) -> None:
        file = tmp_path / "m.gguf"
        file.write_bytes(content)
        assert rule in refusal(file)
        assert "projector of a vision model" in refusal(write_gguf(file, {"general.architecture": "clip"}))


class TestSafetensors:
    def test_a_missing_part_of_the_weights(self, tmp_path: Path) -> None:
        (tmp_path / "a.safetensors").write_bytes(NO_TENSORS)
        index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        assert "lacks 1 of the weight files" in refusal(tmp_path)
        assert "such as b.safetensors" in refusal(tmp_path)

    def test_a_file_that_is_cut_off(self, tmp_path: Path) -> None:
        header = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
        file = tmp_path / "model.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(9))
        size = file.stat().st_size
        assert f"model.safetensors is cut off, it has {size} of {size + 7} bytes" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["h.0.mlp.qweight", "h.0.mlp.weight"])
    def test_packed_weights_without_a_word_in_the_configuration(self, tmp_path: Path, name: str) -> None:
        header = json.dumps({name: {"dtype": "I32", "shape": [4], "data_offsets": [0, 16]}}).encode()
        content = struct.pack("<Q", len(header)) + header + bytes(16)
        (tmp_path / "model.safetensors").write_bytes(content)
        assert f"is a quantized checkpoint ({name} holds I32 numbers), which can't be trained" in refusal(
            tmp_path
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq, 4 bits"),
        ({"quantization_config": {"quant_method": "awq", "w_bit": 8}}, "awq, 8 bits"),
        ({"quantization_config": {"quant_method": "fp8", "fmt": "e4m3"}}, "fp8"),
        ({"quantization_config": {"quant_method": "bnb", "load_in_8bit": True}}, "bnb, 8 bits"),
        ({"text_config": {"quantization_config": {"quant_method": "mxfp4"}}}, "mxfp4"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "4 bits"),
        ({"quantization_config": None}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_quantized_models_are_recognised(settings: dict[str, object], words: str | None) -> None:
    assert quantization(settings) == words


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("gs://bucket/models/mine", "copy the model to a folder .* and write that"),
        ("http://127.0.0.1:9/mine.gguf", "copy the model to a folder .* and write that"),
        ("file:///data/mine", "write '/data/mine'"),
        ("https://huggingface.co/Org/Name-1B/tree/main", "write 'Org/Name-1B'"),
        ("hf://Org/Name-1B", "write 'Org/Name-1B'"),
    ],
)
def test_urls_are_refused_with_what_to_write(url: str, advice: str) -> None:
    rule = "must be a folder or a file of this machine, or a hub name such as org/name, got the URL"
    config = ModelConfig(path=url)
    for use in (check_model, load_tokenizer):
        with pytest.raises(ModelError, match=f"^model.path: {rule} '{url}': {advice}$"):
            use(config)
    labels = {"a": "safe", "b": "unsafe"}
    judge = ClassifierJudge.model_validate({"name": "classifier", "path": url, "labels": labels})
    with pytest.raises(ModelError, match=f"^path: {rule} '{url}': {advice}$"):
        check_judge(judge)
