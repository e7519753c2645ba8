"""Generation by vLLM, an optional package: one engine in each rank, kept for all models of one architecture.

The engine gets a model's weights in memory, for each pass over a model. While a model is trained the engine
of a GPU sleeps, without weights and cache. `evaluation.backend: vllm` chooses it.
"""

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from lookahead_ray.config.evaluation import VLLM_LONGEST, vllm_cache_tokens
from lookahead_ray.evaluate.generation.base import Backend, DecodingSettings
from lookahead_ray.evaluate.generation.free_memory import USED_SHARE, free_bytes, token_bytes
from lookahead_ray.evaluate.generation.meter import Meter
from lookahead_ray.method.reporting import OnGeneration
from lookahead_ray.model.load import context_length

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SETTINGS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine runs in the rank, which hands it weights
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # ranks have their own threads
}
"""Environment variables of the engine; those that are set already stay."""


class Vllm(Backend):
    """A backend that hands the model's weights to the engine of this rank, which holds a second copy."""

    only_by_name = True

    def __init__(self, model: "PreTrainedModel", settings: DecodingSettings) -> None:
        super().__init__(model, settings)
        self._engine = _engine_for(model, settings.batch_size)
        self._engine.take(model)

    @staticmethod
    def supports(model: "PreTrainedModel") -> bool:
        """Return whether vLLM is installed and knows the model's architecture; ranks alone have engines."""
        return dist.is_initialized() and find_vllm_obstacle([type(model).__name__]) is None

    @staticmethod
    def release() -> None:
        """Let the engine sleep, before a training."""
        for engine in _engines.values():
            engine.sleep()

    def answers(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], progress: OnGeneration | None
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (index, answer) in the order in which answers end; arguments as in `Backend.answers`."""
        meter = Meter(self.model, sum(map(len, prompts)), limits, self.settings.batch_size, progress)
        answers: dict[int, list[int]] = {index: [] for index in range(len(prompts))}
        unread = set(answers)
        places = self._engine.add(prompts, limits, self.settings.end_ids)
        try:
            while answers:
                read = tokens = spared = 0
                done: list[tuple[int, list[int]]] = []
                for name, generated, is_finished in self._engine.step():
                    index = places[name]
                    before = len(answers[index])
                    taken, has_ended = self.extend(index, answers[index], limits[index], generated[before:])
                    tokens += taken
                    if index in unread:
                        unread.remove(index)
                        read += len(prompts[index])
                    if has_ended or is_finished:
                        spared += limits[index] - before - taken
                        done.append((index, answers.pop(index)))
                        self._engine.abort([name])
                most = max((limits[index] - len(answer) for index, answer in answers.items()), default=0)
                meter.passed(most, read=read, tokens=tokens, spared=spared)
                yield from done
        finally:
            self._engine.abort(list(places))


def find_vllm_obstacle(architectures: Iterable[str]) -> str | None:
    """Return why vLLM can't generate with a model of these class names; None if it can."""
    if find_spec("vllm") is None:
        return "must be auto where the package vllm is not installed (pip install 'lookahead-ray[vllm]')"
    known = _import().ModelRegistry.get_supported_archs()
    unknown = [name for name in architectures if name not in known]
    if unknown:
        return f"must be auto for a model that vLLM does not know ({', '.join(unknown)})"
    return None


class _Engine:
    """An engine of vLLM with the architecture of a model, and no weights until `take`."""

    def __init__(self, model: "PreTrainedModel", batch_size: int) -> None:
        self._asleep = False
        self._calls = count()
        self._on_gpu = model.device.type == "cuda"
        longest = min(context_length(model) or VLLM_LONGEST, VLLM_LONGEST)
        cache = token_bytes(model) * vllm_cache_tokens(longest, batch_size)
        memory: dict[str, Any] = {}
        if self._on_gpu:
            free, total = free_bytes(model.device), torch.cuda.mem_get_info(model.device)[1]
            weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
            least = token_bytes(model) * vllm_cache_tokens(longest, 1)
            cache = max(least, min(cache, int(USED_SHARE * (free - weights))))
            memory = {"gpu_memory_utilization": USED_SHARE * free / total, "enable_sleep_mode": True}
        vllm = _import()
        with TemporaryDirectory() as folder, _group_in_environment(), _process_restored():
            config = type(model.config).from_dict(model.config.to_dict())
            config.architectures = [type(model).__name__]
            config.save_pretrained(folder)
            self._llm: Any = vllm.LLM(
                model=folder,
                dtype=str(model.dtype).removeprefix("torch."),
                load_format="dummy",  # weights come by `take`
                hf_overrides={"tie_word_embeddings": False},  # vLLM's reload loses a tied head
                skip_tokenizer_init=True,
                generation_config="vllm",  # no sampling parameters of the model's own
                max_model_len=longest,
                max_num_seqs=batch_size,
                kv_cache_memory_bytes=cache,
                enforce_eager=not self._on_gpu,  # compiling for a CPU takes longer than it saves
                distributed_executor_backend="external_launcher",  # each rank of the group has its own
                trust_remote_code=False,
                disable_log_stats=True,
                **memory,
            )
        # it would destroy the ranks' process group when the engine is removed
        self._llm.llm_engine.engine_core._finalizer.detach()
        self._parameters = vllm.SamplingParams

    def take(self, model: "PreTrainedModel") -> None:
        """Copy the weights of `model`; wake up before."""
        if self._asleep:
            self._llm.wake_up()
            self._asleep = False
        weights = ((name, weight.detach()) for name, weight in model.named_parameters(remove_duplicate=False))
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        self._llm.reset_prefix_cache()  # of other weights

    def sleep(self) -> None:
        """Free weights and cache on a GPU; vLLM can't on a CPU."""
        if self._on_gpu and not self._asleep:
            self._llm.sleep(level=2)
            self._asleep = True

    def add(
        self, prompts: Sequence[Sequence[int]], limits: Sequence[int], end_ids: frozenset[int]
    ) -> dict[str, int]:
        """Add a request for each prompt; return the index of each by the request's name."""
        call = next(self._calls)
        places = {f"{call}-{index}": index for index in range(len(prompts))}
        for name, index in places.items():
            chosen = self._parameters(
                temperature=0.0,
                max_tokens=limits[index],
                stop_token_ids=sorted(end_ids),
                ignore_eos=True,  # `end_ids` holds every end token
                detokenize=False,
            )
            self._llm.llm_engine.add_request(name, {"prompt_token_ids": list(prompts[index])}, chosen)
        return places

    def step(self) -> list[tuple[str, list[int], bool]]:
        """Run one pass; return the name of each request with new tokens, all its tokens, whether it ended."""
        return [
            (output.request_id, list(output.outputs[0].token_ids), output.finished)
            for output in self._llm.llm_engine.step()
        ]

    def abort(self, names: Sequence[str]) -> None:
        """End requests, also those that have ended before."""
        self._llm.llm_engine.abort_request(list(names))


_engines: dict[tuple[str, torch.dtype, torch.device, int], _Engine] = {}


def _engine_for(model: "PreTrainedModel", batch_size: int) -> _Engine:
    """Return this process's engine for models like `model`; one of another architecture is removed."""
    key = (model.config.to_json_string(), model.dtype, model.device, batch_size)
    if key not in _engines:
        for other in _engines.values():
            other.sleep()
        _engines.clear()
        _engines[key] = _Engine(model, batch_size)
    return _engines[key]


@contextmanager
def _group_in_environment() -> Iterator[None]:
    """Set the variables in which vLLM looks for this rank's number, where no launcher has set them."""
    rank = str(dist.get_rank())
    wanted = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(dist.get_world_size())}
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


@contextmanager
def _process_restored() -> Iterator[None]:
    """Undo what a new engine does to its process: it fixes PyTorch's threads and freezes all objects."""
    set_threads = torch.set_num_threads
    try:
        yield
    finally:
        torch.set_num_threads = set_threads
        gc.unfreeze()


def _import() -> Any:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return import_module("vllm")
