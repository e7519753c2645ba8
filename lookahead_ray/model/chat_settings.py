"""How chats are written with a tokenizer: its template, the variables for it, and the date that it may write.

`load_tokenizer` attaches the settings of a configuration to a tokenizer; `data.chat` renders with them. A
tokenizer without attached settings has no variables, and the date of its first chat.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lookahead_ray.config.model import TEMPLATE_ARGUMENTS, ModelConfig
from lookahead_ray.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

ChatTurns = Sequence[Mapping[str, str]]
"""A chat: the role and the content of each turn."""

CLOCK = "strftime_now"
"""Function with which a template writes today's date."""


@dataclass(frozen=True)
class ChatSettings:
    """Variables for a tokenizer's chat template, and the date that it writes as today's."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    today: date = field(default_factory=date.today)

    @classmethod
    def of(cls, config: ModelConfig) -> "ChatSettings":
        """Return the settings of a model's configuration; without a date in it, today's."""
        today = date.fromisoformat(config.chat_date) if config.chat_date else date.today()
        return cls(config.chat_template_kwargs, today)


_attached: "WeakKeyDictionary[Tokenizer, ChatSettings]" = WeakKeyDictionary()


def read_template(config: ModelConfig) -> str | None:
    """Return the content of `model.chat_template`; None without one.

    Raises:
        ModelError: the file can't be read as text, or is empty.
    """
    if config.chat_template is None:
        return None
    try:
        text = Path(config.chat_template).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        rule = "must be a file with a Jinja template"
        raise ModelError(f"model.chat_template: {rule}, got {config.chat_template!r}: {reason}") from error
    if not text.strip():
        raise ModelError(f"model.chat_template: {config.chat_template} must hold a template, it is empty")
    return text


def attach(tokenizer: "Tokenizer", config: ModelConfig) -> None:
    """Give `tokenizer` the template, the variables and the date of a model's configuration.

    Raises:
        ModelError: the template can't be read or compiled, there are several and no default, or it reads none
            of the variables by a given name.
    """
    template = read_template(config)
    if template is not None:
        tokenizer.chat_template = template
    settings = ChatSettings.of(config)
    _attached[tokenizer] = settings
    if not tokenizer.chat_template or not (template or settings.variables):
        return
    known = _variables(tokenizer, config)
    for name in settings.variables:
        if name not in known:
            optional = sorted(each for each in known if not each.endswith("_token"))
            rule = f"must be variables that the chat template of {config.path} reads"
            raise ModelError(
                f"model.chat_template_kwargs: {rule} ({', '.join(optional) or 'none'}), got {name}"
            )


def writes_date(tokenizer: "Tokenizer") -> bool:
    """Return whether the tokenizer's chat template writes today's date."""
    return bool(tokenizer.chat_template) and CLOCK in _template(tokenizer)


def render_chat(tokenizer: "Tokenizer", turns: ChatTurns, add_generation_prompt: bool) -> str:
    """Return the chat as the tokenizer's template writes it, with the tokenizer's settings.

    Raises:
        ModelError: the tokenizer has no chat template, or the template refuses the chat.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ModelError(
            f"model.path: {tokenizer.name_or_path} has no chat template; a chat model is required"
        )
    try:
        return _render(tokenizer, turns, add_generation_prompt)
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        roles = ", ".join(turn["role"] for turn in turns)
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"model.path: the chat template of {tokenizer.name_or_path} can't write a chat with the turns "
            f"{roles}: {reason}; model.chat_template may name another one"
        ) from error


def try_to_render(tokenizer: "Tokenizer", turns: ChatTurns, add_generation_prompt: bool = False) -> str:
    """Return the chat as `render_chat`; "" if the template refuses it."""
    try:
        return render_chat(tokenizer, turns, add_generation_prompt)
    except ModelError:
        return ""


def begin_chat(tokenizer: "Tokenizer", question: str, system: str) -> tuple[ChatTurns, str]:
    """Return turns that end in a question, and their prompt.

    A system turn is before the question only if the template refuses it without.

    Raises:
        ModelError: as `render_chat` of the question alone, if the template refuses it with a system turn too.
    """
    alone: ChatTurns = [{"role": "user", "content": question}]
    try:
        return alone, render_chat(tokenizer, alone, add_generation_prompt=True)
    except ModelError:
        turns: ChatTurns = [{"role": "system", "content": system}, *alone]
        if prompt := try_to_render(tokenizer, turns, add_generation_prompt=True):
            return turns, prompt
        raise


def _render(tokenizer: "Tokenizer", turns: ChatTurns, add_generation_prompt: bool) -> str:
    settings = _attached.setdefault(tokenizer, ChatSettings())
    if not writes_date(tokenizer):
        return str(
            tokenizer.apply_chat_template(
                [dict(turn) for turn in turns],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **settings.variables,
            )
        )
    # `apply_chat_template` accepts no functions as variables, so the compiled template is called directly.
    midnight = datetime.combine(settings.today, time())
    variables = {
        **tokenizer.special_tokens_map,
        **settings.variables,
        CLOCK: lambda text: midnight.strftime(text),
    }
    return str(
        _compiled(_template(tokenizer)).render(
            messages=[dict(turn) for turn in turns],
            tools=None,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **variables,
        )
    )


@contextmanager
def variables_in_template(tokenizer: "Tokenizer") -> Iterator[None]:
    """Let the template itself give its variables the attached values, for the `with` block.

    A tokenizer that is saved in the block writes the same chats wherever it is loaded; values that its user
    gives take precedence.
    """
    given, settings = tokenizer.chat_template, _attached.get(tokenizer, ChatSettings())
    if given and settings.variables:
        # jinja reads Python's literals; Transformers drops the line break after a block
        values = "".join(
            f"{{% if {name} is not defined %}}{{% set {name} = {value!r} %}}{{% endif %}}\n"
            for name, value in settings.variables.items()
        )
        tokenizer.chat_template = values + _template(tokenizer)
    try:
        yield
    finally:
        tokenizer.chat_template = given


def _template(tokenizer: "Tokenizer") -> str:
    """Return the template; of several the default. Raises ModelError if none is."""
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        names = ", ".join(tokenizer.chat_template or ())
        raise ModelError(
            f"model.chat_template: must name a file, because {tokenizer.name_or_path} has several templates "
            f"and none is its default ({names})"
        ) from error


def _compiled(template: str) -> Any:
    from transformers.utils import chat_template_utils

    return chat_template_utils._compile_jinja_template(template)


def _variables(tokenizer: "Tokenizer", config: ModelConfig) -> set[str]:
    """Return the names of the variables that the template reads. Raises ModelError if it is no Jinja."""
    from jinja2 import TemplateSyntaxError, meta

    template = _template(tokenizer)
    try:
        environment = _compiled(template).environment
    except TemplateSyntaxError as error:
        raise ModelError(
            f"model.chat_template: {config.chat_template or config.path}: line {error.lineno} is no valid "
            f"Jinja: {error.message}"
        ) from error
    found = set(meta.find_undeclared_variables(environment.parse(template)))
    return found - {*TEMPLATE_ARGUMENTS, *environment.globals}
