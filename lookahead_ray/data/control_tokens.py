"""Text of users as token ids in which control tokens stay text: `</s>` in an answer does not end it.

A tokenizer turns the text of a special token into that token wherever it occurs. Here only the template's own
are tokens. Texts without any such string are encoded as by the tokenizer itself. For the others a copy of the
tokenizer is used that does not know the control tokens; those that the template wrote are given to it under
other names, so that everything around them is encoded as usual.
"""

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lookahead_ray.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

Ids = tuple[int, ...]

# Characters for private use, which no tokenizer knows and no template changes.
_OPEN, _CLOSE = "\U0010fff0", "\U0010fff1"  # around the number of a control token of the template
_OPEN_TEXT, _CLOSE_TEXT = "\U0010fff2", "\U0010fff3"  # around the number of one in a user's text
_CUT = "\U0010fff4"
_NAMED = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_HIDDEN = re.compile(f"{_OPEN_TEXT}(\\d+){_CLOSE_TEXT}")

LEAST_LENGTH = 3  # characters of a mark of turns


@dataclass(frozen=True)
class ControlTokens:
    """A tokenizer's control tokens, and how to encode texts that contain their names.

    Attributes:
        names: the control tokens as text, longer ones first.
    """

    tokenizer: "Tokenizer"
    names: tuple[str, ...]

    def encode(self, text: str) -> Ids:
        """Return the token ids of a user's text. Raises DataError if it can't be encoded as text."""
        return self.encode_with(lambda hide: hide(text))

    def encode_with(self, render: Callable[[Callable[[str], str]], str]) -> Ids:
        """Return the token ids of a chat.

        Args:
            render: returns the whole text; it passes each text of a user through its argument.

        Raises:
            DataError: a control token's name in a user's text can't be encoded as text.
        """
        found: list[str] = []

        def hide(text: str) -> str:
            names = self._pattern.findall(text)
            found.extend(names)
            return self._pattern.sub(self._hidden, text) if names else text

        text = render(hide)
        if not found:
            return tuple(self.tokenizer.encode(text, add_special_tokens=False))
        named = self._pattern.sub(lambda name: f"{_OPEN}{self.names.index(name[0])}{_CLOSE}", text)
        leaks = {self.tokenizer.convert_tokens_to_ids(name) for name in found}
        leaks.discard(self.tokenizer.unk_token_id)
        for cut in ("", _CUT):
            ids = self._plain(self._show(named, cut))
            if leaks.isdisjoint(each for each in ids if each >= 0):
                return tuple(each if each >= 0 else self._id(-1 - each) for each in ids)
        raise DataError(
            f"{found[0]!r} in a prompt or an answer is a control token of this model, whose tokenizer can't "
            "write it as text: change or leave out the rows that contain it"
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.names)) or "(?!)")

    def _hidden(self, name: re.Match[str]) -> str:
        return f"{_OPEN_TEXT}{self.names.index(name[0])}{_CLOSE_TEXT}"

    def _show(self, text: str, cut: str) -> str:
        """Return the text with hidden names as text again, each with `cut` after its first character."""

        def shown(number: re.Match[str]) -> str:
            name = self.names[int(number[1])]
            return f"{name[0]}{cut}{name[1:]}"

        return _HIDDEN.sub(shown, text)

    def _id(self, index: int) -> int:
        return self._token_id(self.names[index])

    def _token_id(self, token: str) -> int:
        found = self.tokenizer.convert_tokens_to_ids(token)
        assert isinstance(found, int)  # of one token
        return found

    def _plain(self, text: str) -> list[int]:
        """Return token ids; that of the template's control token number n is -1 - n."""
        return self._plain_fast(text) if self.tokenizer.is_fast else self._plain_slow(text)

    def _plain_fast(self, text: str) -> list[int]:
        backend, aliases = self._copy
        return [
            aliases.get(token_id, token_id)
            for token_id in backend.encode(text, add_special_tokens=False).ids
            if aliases.get(token_id) != len(self.names)
        ]

    @cached_property
    def _copy(self) -> tuple[Any, dict[int, int]]:
        """Return a copy of the backend, and for the ids of the other names what `_plain` returns.

        The name of the cut gets the number of names, which is no such value.
        """
        from tokenizers import AddedToken

        backend = copy.deepcopy(self.tokenizer.backend_tokenizer)
        backend.no_truncation()
        backend.no_padding()
        known = {token.content: token for token in self.tokenizer.added_tokens_decoder.values()}
        aliases: dict[int, int] = {}

        def add(name: str, like: Any, value: int) -> None:
            flags = {flag: getattr(like, flag, False) for flag in ("lstrip", "rstrip", "single_word")}
            backend.add_tokens([AddedToken(name, special=False, normalized=False, **flags)])
            aliases[backend.token_to_id(name)] = value

        for index, name in enumerate(self.names):
            add(f"{_OPEN}{index}{_CLOSE}", known.get(name), -1 - index)
        add(_CUT, None, len(self.names))
        backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in self.names])
        backend.encode_special_tokens = True
        return backend, aliases

    def _plain_slow(self, text: str) -> list[int]:
        others = [name for name in self.tokenizer.get_added_vocab() if name not in self.names]
        tokens = "|".join(map(re.escape, sorted(others, key=len, reverse=True))) or "(?!)"
        ids: list[int] = []
        for piece in re.split(f"({_NAMED.pattern.replace('(', '(?:')}|{tokens}|{_CUT})", text):
            if not piece or piece == _CUT:
                continue
            if named := _NAMED.fullmatch(piece):
                ids.append(-1 - int(named[1]))
            elif piece in others:
                ids.append(self._token_id(piece))
            else:
                ids += map(self._token_id, self.tokenizer.tokenize(piece, split_special_tokens=True))
        return ids


def control_tokens(tokenizer: "Tokenizer", written: str, thought_marks: Sequence[str]) -> ControlTokens:
    """Return a tokenizer's control tokens: its special ones, and those that mark turns in `written`.

    Args:
        written: what the template writes around the texts of a chat. Marks of turns are not special in some
            tokenizers.
        thought_marks: what is no control token, because answers may contain thoughts.
    """
    added = tokenizer.added_tokens_decoder.values()
    special = {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)
    names = special | set(_marks((token.content for token in added), written))
    return ControlTokens(
        tokenizer, _longest_first(name for name in names if name and name not in thought_marks)
    )


def _marks(names: Iterable[str], written: str) -> list[str]:
    """Return the names of added tokens in `written` that are no ordinary words or white space."""
    return [
        name
        for name in names
        if name in written and len(name) >= LEAST_LENGTH and not (name.isspace() or name[0].isalnum())
    ]


def _longest_first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (-len(name), name)))
