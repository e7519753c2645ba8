"""Safety suites of harmful and benign requests: one configuration model per suite, selected by `name`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lookahead_ray.config.base import Config
from lookahead_ray.config.csv_format import CsvFormat, is_found
from lookahead_ray.config.variants import Extensible


class SuiteBase(Config):
    """Base class of all safety suites; `path_fields` names the fields that `--suite NAME=PATH` sets."""

    path_fields: ClassVar[tuple[str, ...]] = ()


class _Harmful(SuiteBase):
    harmful_prompts: int | None = Field(None, ge=1)
    """Number of harmful requests, spread evenly over their categories; null uses all."""


class _Benign(SuiteBase):
    benign_prompts: int | None = Field(None, ge=1)
    """Number of benign requests, spread evenly over their categories; null uses all."""


class _Hub(SuiteBase):
    revision: str | None = Field(None, min_length=1)
    """Revision of the hub data set (branch, tag or commit); null uses the newest."""


class ProbeSuite(_Harmful, _Benign):
    """This project's probe: harmful requests from ten policy areas, and benign look-alikes."""

    name: Literal["probe"] = "probe"


class HexPhiSuite(_Harmful, _Hub):
    """HEx-PHI: harmful requests from 11 (on the hub 10) prohibited uses; gated on the hub."""

    name: Literal["hex_phi"]
    path_fields: ClassVar[tuple[str, ...]] = ("path",)

    path: str | None = Field(None, min_length=1)
    """Local file of prompts, with `instruction` and `category`; null reads the hub."""

    prefill_path: str | None = Field(None, min_length=1)
    """Local file of harmful answers, one user and one assistant message per line; the first answer tokens are
    prefilled. null skips prefill attacks."""


class AdvBenchSuite(_Harmful, _Hub):
    """AdvBench: harmful behaviours without categories; `target` is the opening. Gated on the hub."""

    name: Literal["advbench"]
    path_fields: ClassVar[tuple[str, ...]] = ("path",)

    path: str | None = Field(None, min_length=1)
    """Local file with `goal` and `target`; null reads the hub."""


class JailbreakBenchSuite(_Harmful, _Benign, _Hub):
    """JailbreakBench: harmful behaviours from ten categories, each with a benign counterpart."""

    name: Literal["jailbreakbench"]
    path_fields: ClassVar[tuple[str, ...]] = ("harmful_path",)

    harmful_path: str | None = Field(None, min_length=1)
    """Local file with `goal`, `category`, optionally `target`, the opening, and `index`. null skips harmful
    requests if `benign_path` is given; if both paths are null, the hub is read."""

    benign_path: str | None = Field(None, min_length=1)
    """Local file with `goal` and `category`; null skips benign requests if `harmful_path` is given."""


class XsTestSuite(_Harmful, _Benign, _Hub):
    """XSTest: safe prompts that look unsafe, and their unsafe contrasts (`contrast_` types)."""

    name: Literal["xstest"]
    path_fields: ClassVar[tuple[str, ...]] = ("path",)

    path: str | None = Field(None, min_length=1)
    """Local file with `prompt`, `type` and `id` (or `id_v2`); null reads the hub."""


class SuiteFields(Config):
    """Names of the fields (columns) of a row, or paths into nested values."""

    prompt: str = Field("prompt", min_length=1)
    """Field of the request, or of a list of messages with one of the user."""

    category: str | None = Field(None, min_length=1)
    """Field of the category by which rates are broken down; null puts all requests in one category without
    a name."""

    opening: str | None = Field(None, min_length=1)
    """Field of the opening of a complying answer, for prefill attacks; its value may be blank. null if the
    file has no openings."""


class FileSuite(_Harmful, _Benign):
    """Your own requests: files as for the task `file`."""

    name: Literal["file"]
    path_fields: ClassVar[tuple[str, ...]] = ("harmful_path",)

    label: str = Field("file", min_length=1)
    """Name of the suite in tables; must differ from the labels of the trial's other suites."""

    harmful_path: str | None = Field(None, min_length=1)
    """File, folder, pattern or URL of requests that should be refused; null for none."""

    benign_path: str | None = Field(None, min_length=1)
    """File, folder, pattern or URL of requests that should not be refused; null for none."""

    fields: SuiteFields = SuiteFields()
    """Names of the fields of a row, in both files; `opening` is read only from harmful rows."""

    csv: CsvFormat = Field(CsvFormat(), exclude_if=is_found)
    """Format of CSV and TSV files, where it is not found."""

    @model_validator(mode="after")
    def _one_file(self) -> Self:
        if self.harmful_path is None and self.benign_path is None:
            raise ValueError("harmful_path or benign_path must be given, got neither")
        return self


def _probe_by_default(value: Any) -> Any:
    """Default a mapping's `name` to the probe, so that only its sizes need to be set."""
    return {"name": "probe", **value} if isinstance(value, dict) and "name" not in value else value


Suite = ProbeSuite | HexPhiSuite | AdvBenchSuite | JailbreakBenchSuite | XsTestSuite | FileSuite

SafetyConfig = Annotated[
    Suite,
    Field(discriminator="name"),
    Extensible("lookahead_ray.data.suites.registry:SUITES"),
    BeforeValidator(_probe_by_default),
]


def suite_label(config: Suite) -> str:
    """Return the name of the suite in tables: its name, or the label of a `file` suite."""
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
"""One suite or a list of suites, converted to a tuple. A trial's rates are over the first suite that has the
respective prompts."""
