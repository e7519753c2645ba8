"""Unions of configuration classes that a registry extends.

A union in this package lists the built-in variants. A registry in an upper package maps each name, built-in
or added, to an entry with the variant's configuration class:

    JudgeConfig = Annotated[
        KeywordJudge | RefusalJudge,
        Field(discriminator="name"),
        Extensible("lookahead_ray.evaluate.judges.registry:BUILDERS"),
    ]

    # lookahead_ray/evaluate/judges/registry.py
    BUILDERS = {
        "keyword": Variant(KeywordJudge, build_keyword),
        "length": Variant(LengthJudge, build_length),  # added
    }

The registry is imported only when a name is not built in, so a built-in configuration loads nothing heavy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib import import_module
from operator import or_
from typing import Annotated, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

from pydantic import Field, GetCoreSchemaHandler, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from lookahead_ray.config.base import Config

ConfigT = TypeVar("ConfigT", bound=Config)
Arguments = ParamSpec("Arguments")
Built = TypeVar("Built")


class RegistryEntry(Protocol):
    """What a union reads from an entry of a registry."""

    @property
    def config_class(self) -> type[Config]:
        """Return the variant's configuration class; its tag is the entry's name in the registry."""


@dataclass(frozen=True)
class Variant(Generic[ConfigT, Arguments, Built]):
    """A registry's entry: a configuration class, and the function that builds what it describes."""

    config_class: type[ConfigT]
    build: Callable[Concatenate[ConfigT, Arguments], Built]

    def __call__(self, config: ConfigT, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        """Build what `config` describes."""
        return self.build(config, *args, **kwargs)


@dataclass(frozen=True)
class Extensible:
    """Annotation of a discriminated union that also accepts the variants of a registry.

    A value whose tag is not built in is validated by the union of all registered classes, so errors have the
    same form and location as those of built-in variants, and an unknown tag's error lists every name. Values
    are serialised by their own class.
    """

    registry: str
    """Module and name of the registry, such as "package.module:NAME"."""

    tag: str = "name"
    """Field that selects the variant."""

    def config_classes(self) -> Mapping[str, type[Config]]:
        """Import the registry and return all configuration classes by name, built-in ones included."""
        module, _, name = self.registry.partition(":")
        entries = cast(Mapping[str, RegistryEntry], getattr(import_module(module), name))
        return {name: entry.config_class for name, entry in entries.items()}

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the union's schema."""
        return core_schema.no_info_wrap_validator_function(
            self._validate, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def _validate(self, value: object, validate_built_in: ValidatorFunctionWrapHandler) -> object:
        try:
            return validate_built_in(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            if first["loc"] or first["type"] != "union_tag_invalid":
                raise
        return _union(tuple(self.config_classes().values()), self.tag).validate_python(value)


@lru_cache(maxsize=32)
def _union(classes: tuple[type[Config], ...], tag: str) -> TypeAdapter[Any]:
    union: Any = Annotated[reduce(or_, classes), Field(discriminator=tag)]
    return TypeAdapter(union)
