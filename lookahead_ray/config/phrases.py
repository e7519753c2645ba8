"""Sources of a prefix's phrases, for a choice that does not list them in place.

    prefix: {choice_from: {path: phrases.txt}}                           a file
    prefix: {choice_from: {model_openings: 8}}                           openings of the seed model's answers
    prefix: {choice_from: {options: ["So, "], path: phrases.txt, model_openings: 8}}       all, in this order

Each is converted to an ordinary `choice` before the space is used. A file contains one phrase per line. Since
a phrase directly precedes its answer, a line is stripped and one space is appended; a line in double quotes
is a JSON string and used verbatim. Blank lines are ignored. A relative path is resolved against the directory
of the space file if the file exists there, else against the current directory.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lookahead_ray.config.base import Config
from lookahead_ray.config.validation import Source, validated
from lookahead_ray.errors import ConfigError

KEY = "choice_from"
FIELD = "prefix"  # the only field whose choices are phrases


class PhraseSource(Config):
    """Phrases of `options`, then of the file at `path`, then openings of the seed model."""

    options: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), strict=False)
    """Phrases, used verbatim."""

    path: str | None = Field(None, min_length=1)
    """UTF-8 text file with one phrase per line; null reads no file."""

    model_openings: int | None = Field(None, ge=1)
    """Maximum number of openings of the seed model's greedy answers to training prompts, frequent ones first;
    null uses none."""

    prompts: int = Field(64, ge=2)
    """Maximum number of training prompts that the seed model answers for `model_openings`."""

    tokens: int = Field(12, ge=2)
    """Number of tokens generated per answer for `model_openings`."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.path is None and self.model_openings is None:
            raise ValueError("needs a path or model_openings, got neither")
        return self


def with_phrases(
    tree: Any, source: Source, openings: Mapping[str, Sequence[str]]
) -> tuple[Any, dict[str, PhraseSource]]:
    """Return `tree` with a `choice` for each `choice_from`, and the sources, by field, missing in `openings`.

    Missing openings are replaced by placeholders.

    Raises:
        ConfigError: one line; a source breaks a rule, is not at a prefix, or its file can't be used.
    """
    missing: dict[str, PhraseSource] = {}

    def walk(node: Any, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict) and set(node) == {KEY}:
            return choice(node[KEY], path)
        if isinstance(node, dict):
            return {key: walk(value, (*path, str(key))) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value, (*path, str(index))) for index, value in enumerate(node)]
        return node

    def choice(body: Any, path: tuple[str, ...]) -> dict[str, list[str]]:
        field = ".".join((*path, KEY))
        if path[-1:] != (FIELD,):
            raise ConfigError(f"{source.of(field)}: {field}: is only valid in a {FIELD}")
        phrase_source = validated(PhraseSource, body, source, field)
        phrases = list(phrase_source.options)
        if phrase_source.path is not None:
            phrases += read_phrases(_find(phrase_source.path, field, source))
        if phrase_source.model_openings is not None:
            if field not in openings:
                missing[field] = phrase_source
            known = {phrase_key(phrase) for phrase in phrases}
            found = openings.get(field, placeholders(phrase_source.model_openings))
            phrases += [opening for opening in found if phrase_key(opening) not in known]
        return {"choice": phrases}

    return walk(tree, ()), missing


def read_phrases(path: Path) -> list[str]:
    """Return the phrases of a file, in its order.

    Raises:
        ConfigError: the file can't be read, contains no phrase or a duplicate, or a line in quotes is not a
            JSON string.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: must be UTF-8 text, got {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise ConfigError(f"{path}: must be a readable file, got {error.strerror}") from error
    phrases: list[str] = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line:
            continue
        phrase = _quoted(line, f"{path}: line {number}") if line.startswith('"') else f"{line} "
        if phrase in phrases:
            raise ConfigError(f"{path}: line {number}: phrases must differ, got {phrase!r} twice")
        phrases.append(phrase)
    if not phrases:
        raise ConfigError(f"{path}: must hold at least one phrase, got none")
    return phrases


def placeholders(count: int) -> list[str]:
    """Return phrases that replace the seed model's openings in a space until they are generated."""
    return [f"<opening {number} of the seed model>" for number in range(1, count + 1)]


def phrase_key(phrase: str) -> str:
    """Return the phrase without case, spaces and punctuation, for comparing phrases."""
    return "".join(character for character in phrase.casefold() if character.isalnum())


def _find(path: str, field: str, source: Source) -> Path:
    relative = Path(path).expanduser()
    for candidate in (Path(source.file).parent / relative, relative):
        if candidate.is_file():
            return candidate
    where = f"next to {Path(source.file).name} or in the current directory"
    raise ConfigError(f"{source.of(field)}: {field}.path: must be an existing file, {where}, got {path!r}")


def _quoted(line: str, where: str) -> str:
    try:
        phrase = json.loads(line)
    except ValueError as error:
        raise ConfigError(
            f"{where}: a line that begins with a quote must be a JSON text, got {line!r}"
        ) from error
    if not isinstance(phrase, str) or not phrase:
        raise ConfigError(f"{where}: a phrase must not be empty, got {line!r}")
    return phrase
