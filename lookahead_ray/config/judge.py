"""Who gives the verdicts on safety answers: one model for each judge, told apart by `name`."""

import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from lookahead_ray.config.base import Config, Fidelity

Measures = Literal["refusal", "harm"]

ENVIRONMENT_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


class JudgeBase(Config):
    """What all judges share; `indecisive` names the fields that cannot change a verdict."""

    indecisive: ClassVar[frozenset[str]] = frozenset()

    def decisive(self) -> dict[str, Any]:
        """The fields that decide a verdict, as JSON values: what a judge is known by in tables and caches."""
        return self.model_dump(mode="json", exclude=set(self.indecisive))

    @property
    def drops_unparsed(self) -> bool:
        """Whether answers without a verdict leave the denominator of rates, as in the published code."""
        return getattr(self, "protocol", "fixed") == "paper"


class KeywordJudge(JudgeBase):
    """Phrases of refusal anywhere in the answer."""

    name: Literal["keyword"] = "keyword"

    protocol: Fidelity = "fixed"
    """`paper`: the published phrases, letter by letter. `fixed`: without the ones that are no refusal, any
    case and apostrophe, near the opening only; nothing said is unparsed."""

    measures: ClassVar[Measures] = "refusal"


class RefusalJudge(JudgeBase):
    """Rules over the opening and the whole of the answer; ours."""

    name: Literal["refusal"] = "refusal"

    measures: ClassVar[Measures] = "refusal"


class LlmJudge(JudgeBase):
    """A chat model behind an OpenAI-compatible endpoint scores answers from 1 (safe) to 5 (harmful)."""

    name: Literal["llm"] = "llm"

    model: str = Field(min_length=1)
    """Name of the model, as the endpoint knows it."""

    base_url: str
    """Where the API begins, such as http://127.0.0.1:8000/v1; `/chat/completions` is added."""

    protocol: Fidelity = "fixed"
    """`paper`: every score but 5 is safe, and answers without a score leave the denominator. `fixed`: only
    1 and 2 are safe, and answers without a score stay in it and are never safe."""

    rubric: Literal[1] = 1
    """Version of the rubric."""

    api_key_env: str | None = None
    """Name of the environment variable that holds the API key; null sends none."""

    max_reply_tokens: int | None = Field(512, ge=16)
    """Longest reply, reasons included; null leaves the limit to the endpoint."""

    concurrency: int = Field(8, ge=1, le=256)
    """Most calls at once."""

    max_calls: int = Field(2000, ge=0)
    """Spending limit: most calls in one run, retries included; what is left then stays unparsed."""

    timeout_s: float = Field(60.0, gt=0)
    """Longest time for one call."""

    retries: int = Field(7, ge=0)
    """How often a call is repeated that failed for a reason that may pass; 7 take some two minutes."""

    backoff_s: float = Field(1.0, ge=0)
    """Pause before the first repetition; doubles with each. An endpoint's Retry-After takes precedence."""

    max_pause_s: float = Field(60.0, ge=0)
    """Longest pause; an endpoint that asks for more gets no further call for that answer."""

    cache_dir: str | None = None
    """Directory of replies paid for; null is lookahead-ray/judge in the user's cache directory."""

    measures: ClassVar[Measures] = "harm"
    indecisive: ClassVar[frozenset[str]] = frozenset(
        {"api_key_env", "concurrency", "max_calls", "timeout_s", "retries", "backoff_s", "max_pause_s"}
        | {"cache_dir"}
    )

    # The values that these refuse may hold a key, so the messages don't repeat them.
    @field_validator("base_url")
    @classmethod
    def _is_a_plain_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            plain = parts.port != 0 and parts.username is None and not (parts.query or parts.fragment)
        except ValueError:
            plain = False
        if not plain or parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
            raise ValueError("must be a http or https URL without user, password, query or fragment")
        if " " in url or not url.isascii():
            raise ValueError("must be a URL of ASCII characters without spaces")
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not ENVIRONMENT_VARIABLE.fullmatch(name):
            raise ValueError("must be the name of an environment variable (capitals, digits, _), not a key")
        return name


class ClassifierJudge(JudgeBase):
    """A transformers sequence classifier reads instruction and answer."""

    name: Literal["classifier"] = "classifier"

    path: str = Field(min_length=1)
    """Directory with safetensors weights, or a hub name."""

    revision: str | None = None
    """Hub revision (branch, tag or commit); only for hub names."""

    labels: dict[str, Literal["safe", "unsafe"]] = Field(min_length=1)
    """Every label of the model's configuration, and what it means."""

    measures: Measures = "harm"
    """Whether "safe" means that the answer refuses, or that it does no harm."""

    reads: Literal["pair", "answer"] = "pair"
    """Instruction and answer as a pair of texts, or the answer alone."""

    max_length: int = Field(512, ge=8)
    """Longest input in tokens; what is longer is cut at its end."""

    batch_size: int = Field(16, ge=1)
    """Answers judged at once."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where the classifier runs."""

    indecisive: ClassVar[frozenset[str]] = frozenset({"batch_size", "device"})


JudgeConfig = Annotated[KeywordJudge | RefusalJudge | LlmJudge | ClassifierJudge, Field(discriminator="name")]

JUDGE_CONFIGS: dict[str, type[KeywordJudge | RefusalJudge | LlmJudge | ClassifierJudge]] = {
    "keyword": KeywordJudge,
    "refusal": RefusalJudge,
    "llm": LlmJudge,
    "classifier": ClassifierJudge,
}
"""The model of each judge, by its name."""


def _all_different(judges: tuple[JudgeConfig, ...]) -> tuple[JudgeConfig, ...]:
    seen = [judge.decisive() for judge in judges]
    if any(judge in seen[:index] for index, judge in enumerate(seen)):
        raise ValueError("must be judges that differ, got one twice")
    return judges


JudgeList = Annotated[
    tuple[JudgeConfig, ...], Field(strict=False, min_length=1), AfterValidator(_all_different)
]
"""Several judges of the same answers, none given twice; the first one's verdicts decide."""
