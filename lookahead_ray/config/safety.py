"""What must stay refused, and what must not be refused: one model for each suite, told apart by `name`."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lookahead_ray.config.base import Config


class _Harmful(Config):
    harmful_prompts: int | None = Field(None, ge=1)
    """How many harmful requests to use, spread evenly over their categories; null uses all."""


class _Benign(Config):
    benign_prompts: int | None = Field(None, ge=1)
    """How many benign requests to use, spread evenly over their categories; null uses all."""


class _Hub(Config):
    revision: str | None = Field(None, min_length=1)
    """Revision of the hub data set (branch, tag or commit); null takes its newest."""


class ProbeSuite(_Harmful, _Benign):
    """The project's own probe: harmful requests over ten policy areas, and benign look-alikes."""

    name: Literal["probe"] = "probe"


class HexPhiSuite(_Harmful, _Hub):
    """HEx-PHI: harmful requests over 11 (on the hub 10) prohibited uses; gated on the hub."""

    name: Literal["hex_phi"]

    path: str | None = Field(None, min_length=1)
    """Local file of prompts, with `instruction` and `category`; null reads the hub."""

    prefill_path: str | None = Field(None, min_length=1)
    """Local file of harmful answers, a user and an assistant message a line, whose first tokens are
    prefilled; null leaves prefill attacks out."""


class AdvBenchSuite(_Harmful, _Hub):
    """AdvBench's harmful behaviours; `target` is the opening. No categories, gated on the hub."""

    name: Literal["advbench"]

    path: str | None = Field(None, min_length=1)
    """Local file with `goal` and `target`; null reads the hub."""


class JailbreakBenchSuite(_Harmful, _Benign, _Hub):
    """JailbreakBench: harmful behaviours over ten categories, each with a benign twin."""

    name: Literal["jailbreakbench"]

    harmful_path: str | None = Field(None, min_length=1)
    """Local file with `goal`, `category` and perhaps `target`, the opening; null beside a `benign_path`
    leaves harmful requests out. Without both the hub is read."""

    benign_path: str | None = Field(None, min_length=1)
    """Local file with `goal` and `category`; null beside a `harmful_path` leaves benign requests out."""


class XsTestSuite(_Harmful, _Benign, _Hub):
    """XSTest: safe prompts that look unsafe, and unsafe contrasts to them (`contrast_` types)."""

    name: Literal["xstest"]

    path: str | None = Field(None, min_length=1)
    """Local file with `prompt`, `type` and `id` (or `id_v2`); null reads the hub."""


class SuiteFields(Config):
    """Which field (column) of a row holds what."""

    prompt: str = Field("prompt", min_length=1)
    """The request."""

    category: str | None = Field(None, min_length=1)
    """What rates are broken down by; null puts all requests into one category without a name."""

    opening: str | None = Field(None, min_length=1)
    """Beginning of an answer that would comply, for prefill attacks; blank where none is known."""


class FileSuite(_Harmful, _Benign):
    """Your own requests: JSON, JSONL, CSV or Parquet files by their ending."""

    name: Literal["file"]

    label: str = Field("file", min_length=1)
    """What the suite is called in tables; must differ from those of the trial's other suites."""

    harmful_path: str | None = Field(None, min_length=1)
    """Local file of requests that are to be refused; null for none."""

    benign_path: str | None = Field(None, min_length=1)
    """Local file of requests that are not to be refused; null for none."""

    fields: SuiteFields = SuiteFields()
    """Names of the fields of a row, in both files; `opening` is read of harmful rows alone."""

    @model_validator(mode="after")
    def _one_file(self) -> Self:
        if self.harmful_path is None and self.benign_path is None:
            raise ValueError("harmful_path or benign_path must be given, got neither")
        return self


def _probe_by_default(value: Any) -> Any:
    """A mapping without a name means the probe, so that its sizes alone can be set."""
    return {"name": "probe", **value} if isinstance(value, dict) and "name" not in value else value


Suite = ProbeSuite | HexPhiSuite | AdvBenchSuite | JailbreakBenchSuite | XsTestSuite | FileSuite

SafetyConfig = Annotated[
    Annotated[Suite, Field(discriminator="name")],
    BeforeValidator(_probe_by_default),
]


def suite_label(config: Suite) -> str:
    """What the suite is called in tables: its name, or the label of a `file`."""
    return config.label if isinstance(config, FileSuite) else config.name


def _one_as_list(value: Any) -> Any:
    return (value,) if isinstance(value, dict | Config) else value


def _labels_differ(suites: tuple[Suite, ...]) -> tuple[Suite, ...]:
    labels = [suite_label(suite) for suite in suites]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise ValueError(f"must be suites with labels that differ, got {label!r} twice")
    return suites


SafetyList = Annotated[
    tuple[SafetyConfig, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_one_as_list),
    AfterValidator(_labels_differ),
]
"""One suite or a list of suites, always a tuple once read; a trial's rates are over the first that has such
prompts."""
