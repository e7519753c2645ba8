"""Instruction templates: text with `{field}` placeholders, filled from a row and never evaluated.

`{{` and `}}` stand for the braces themselves. A placeholder is a plain name: no attribute, index, conversion
or format can be written, so a template can reach nothing but the row's own fields.
"""

from string import Formatter


def parse(template: str) -> tuple[tuple[str, str | None], ...]:
    """The template as (text, field that follows it, or None at the end), in order.

    Raises:
        ValueError: unbalanced braces, no placeholder at all, or one that is not a plain name.
    """
    parts = []
    try:
        for text, name, spec, conversion in Formatter().parse(template):
            if name is not None and (not name.isidentifier() or spec or conversion):
                written = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                raise ValueError(f"a placeholder must be one plain field name, got {{{written}}}")
            parts.append((text, name))
    except ValueError as error:
        if str(error).startswith("a placeholder"):
            raise
        raise ValueError(f"must have balanced braces ({error}; write {{{{ or }}}} for a brace)") from error
    if not any(name for _, name in parts):
        raise ValueError(f"must hold at least one {{field}} placeholder, got {template!r}")
    return tuple(parts)
