"""Instruction templates filled from a row."""

from lookahead_ray.config.task import parse_template
from lookahead_ray.data.rows import Row, is_blank


def fill(template: str, row: Row) -> str:
    """Return the template's text with each placeholder replaced by the row's field; values are not templates.

    A field that is null, blank or absent is empty. A line of the template that holds nothing else is then
    left out, with the blank lines that set it apart, so that an empty `{input}` leaves no gap behind.

    Raises:
        DataError: a field is neither text, a number nor a boolean.
    """
    lines = [_Line()]
    gaps = False
    for text, name in parse_template(template):
        first, *rest = text.split("\n")
        lines[-1].text += first
        for more in rest:
            lines.append(_Line(more))
        if name is not None:
            value = row.text_or_number(name) if row.has(name) else ""
            lines[-1].fields += 1
            if value.strip():
                lines[-1].text += value
            else:
                gaps = True
                lines[-1].empty_at = len(lines[-1].text)
    if not gaps:
        return "\n".join(line.text for line in lines)
    return "\n".join(line.without_trailing_gap() for line in _without_gaps(lines))


def has_content(template: str, row: Row) -> bool:
    """Return whether a field that the template names is not blank in the row."""
    names = [name for _, name in parse_template(template) if name is not None]
    return any(row.has(name) and not is_blank(row.value(name)) for name in names)


class _Line:
    """A line of the template, which may be several of the result."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.fields = 0
        self.empty_at: int | None = None  # where the last empty field stands

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()

    def without_trailing_gap(self) -> str:
        """Return the text, without spaces at its end if an empty field ends it."""
        ends_empty = self.empty_at is not None and not self.text[self.empty_at :].strip()
        return self.text.rstrip() if ends_empty else self.text


def _without_gaps(lines: list[_Line]) -> list[_Line]:
    kept: list[_Line] = []
    dropping = False
    for line in lines:
        if line.fields and line.is_blank:
            dropping = True
        elif dropping and line.is_blank and (not kept or kept[-1].is_blank):
            continue  # it set the dropped line apart from what follows
        else:
            kept.append(line)
            dropping = dropping and line.is_blank
    while dropping and kept and kept[-1].is_blank:
        kept.pop()
    return kept
