"""The utility metric of arithmetic tasks: exact match of the final number.

GSM8K's own scorer accepts only a number that follows "####" (`extract_answer` in
https://github.com/openai/grade-school-math/blob/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/dataset.py),
so it scores a right answer in another format as wrong. The published code of LookAhead Tuning is even
stricter (`paper_exact_match`). Under `protocol: fixed` numbers are compared, not strings, and the number is
found in this order:

1. after the first "####" that an answer follows, "#### 72" or "#### 72 clips"; models may go on with another
   question. A heading ("#### Step 2", "#### 1. Add") is no answer, nor is one that the next line takes back
   ("No:");
2. in the last `\\boxed{}`;
3. after the last "the answer is" or "answer:";
4. in the last sentence with a number: after "a total of", before "in total", after the last "=", or else the
   last one. Numbers of steps and of lists ("step 2", "2. Add") and those in parentheses don't count.

Steps 2 to 4 read the text up to where a model goes on with another question.
"""

import re
from collections.abc import Iterator, Sequence

from lookahead_ray.data.tasks.numerals import Numeral, is_ordinal, numbers, simplify_numerals, whole_number
from lookahead_ray.errors import DataError

MARKER = "####"
"""Marker before the final number of an answer."""

_TURN = r"(?:question|q|problem|user|human|instruction|exercise)"
_NEXT_QUESTION = re.compile(
    rf"^[ \t#*\[(]{{0,10}}{_TURN}[ \t]{{0,3}}#?[0-9]{{0,3}}[*\])]{{0,3}}[ \t]{{0,3}}:"
    r"|^[ \t]{0,10}<\|?(?:im_start|user|start)",
    re.IGNORECASE | re.MULTILINE,
)
_CORRECTED = re.compile(
    r"\s*[^\n]*\n\W*(?:no|wait|hmm|oops|sorry|actually|correction|let\s+me\s+(?:re-?)?check|i\s+made\s+a"
    r"|on\s+second\s+thought)\b[^?]{0,400}$",
    re.IGNORECASE,
)
"""What follows an answer that the model itself corrects in the next one."""

_DIGIT = re.compile(r"[0-9]")
_HEADING = re.compile(r"[0-9]{1,2}[.)]\s+\D|\W*(?:step|part|question|problem|method|case)s?\b", re.IGNORECASE)
_LEAD = re.compile(r"(?:the\s+)?(?:final\s+)?(?:answer|result)\b[^0-9\n]{0,40}", re.IGNORECASE)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{")
_STATED = re.compile(r"\banswer\b[^\n.:=]{0,40}?(?:\b(?:is|are|was|would\s+be)\b|[:=])", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\b(?:steps?|parts?|questions?|problems?|exercises?|examples?|equations?)\s*[#(]?\s*"
    r"(?:[0-9]{1,3}\s*(?:,|-|to|and|&)\s*){0,9}[0-9]{1,3}(?![0-9]|[.,][0-9])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"^[ \t]*([0-9]{1,2})[.)][ \t]+(?=\S)", re.MULTILINE)
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?=[0-9]))+")
_ASIDE = re.compile(r"\([^()\n]*\)")
_TOTAL_OF = re.compile(r"\btotal\s+(?:of|is|was|comes\s+to)\W{0,3}$", re.IGNORECASE)
_IN_TOTAL = re.compile(
    r"(?:[^\w.]*[^\W\d]+){0,5}[^\w.]*\b(?:in\s+total|altogether|in\s+all)\b", re.IGNORECASE
)
_EQUALS = re.compile(r"=[^0-9=]{0,5}$")
_GOES_ON = re.compile(r"[,;:+*/=-]|\b(?:so|thus|therefore|hence|which|then|and|or)\b", re.IGNORECASE)
_LONGEST_BOX = 300  # characters
_LONGEST_STATEMENT = 200


def marked_number(text: str, decimal_comma: bool = False) -> str | None:
    """Return the normalised number that is all of the line after the last "####", or None."""
    _, marker, after = text.rpartition(MARKER)
    return whole_number(_first_line(after), decimal_comma) if marker else None


def extract_number(text: str, decimal_comma: bool = False) -> str | None:
    """Return the final number of `text`, normalised, or None if it holds no number.

    Commas, currencies, "%" and a trailing full stop are dropped, and "5.0", "05", "10/2" and "5" are all "5".

    Args:
        decimal_comma: whether "1.234,5" is written for 1234.5.
    """
    found = None
    for after in text.split(MARKER)[1:]:
        found = _after_marker(_first_line(after), decimal_comma) or found
        if found is not None and not _CORRECTED.match(after):
            return found
    if found is not None:
        return found
    text = _without_next_question(simplify_numerals(text))
    for find in (_in_box, _in_statement, _in_last_sentence):
        found = find(text, decimal_comma)
        if found is not None:
            return found
    return None


def exact_match(prediction: str, reference: str, decimal_comma: bool = False) -> float | None:
    """Score one answer: 1.0 if both texts end in the same number, 0.0 if not, None if `prediction` has none.

    None is no score: callers count such answers as unparsed and keep them in the denominator.
    Raises `DataError` if `reference` holds no number, which is a fault of the data and not of the model.
    """
    expected = marked_number(reference, decimal_comma) or extract_number(reference, decimal_comma)
    if expected is None:
        raise DataError(f"exact_match: reference: must hold a number, got {reference[:80]!r}")
    found = extract_number(prediction, decimal_comma)
    return None if found is None else float(found == expected)


def paper_answer(text: str) -> str | None:
    """Return all text after the last "####", stripped and without commas; None if there is no "####".

    This is the rule of `extract_final_number` in calculate_utility.py of zjunlp/LookAheadTuning at f9730df.
    Any text after the number, such as a unit or a second paragraph, is part of the answer.
    """
    _, marker, after = text.rpartition(MARKER)
    return after.strip().replace(",", "") if marker else None


def paper_exact_match(prediction: str, reference: str) -> float | None:
    """Score one answer under `protocol: paper`: as `exact_match`, but with the strings of `paper_answer`.

    So "#### 5.0" is not "#### 5", and an answer without "####" is unparsed even if it ends in the number; the
    published code counts that as wrong, which is the same share of correct answers.
    """
    expected, found = paper_answer(reference), paper_answer(prediction)
    if not expected:
        raise DataError(f"exact_match: reference: must hold text after {MARKER}, got {reference[:80]!r}")
    return None if found is None else float(found == expected)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""


def _after_marker(line: str, comma: bool) -> str | None:
    """Return the answer in the line after a marker, which is a number, or begins with one; else None."""
    if not _DIGIT.search(line):
        return None
    found = whole_number(line, comma)
    if found is not None:
        return found
    line = simplify_numerals(line).strip(" \t*_\\$")
    if _HEADING.match(line):
        return None
    lead = _LEAD.match(line)
    begin = lead.end() if lead else 0
    listed = list(numbers(line, comma))
    first = next((number for number in listed if number.start >= begin), None)
    starts = first is not None and not any(letter.isalpha() for letter in line[begin : first.start])
    if boxed := _in_box(line, comma):
        return boxed
    if "=" in line and listed:
        return _after_equals(line, listed) or (first.value if starts and first else None)
    return first.value if starts and first else None


def _without_next_question(text: str) -> str:
    """Return `text` up to the first later question that a number stands before."""
    digit = _DIGIT.search(text)
    question = digit and _NEXT_QUESTION.search(text, digit.end())
    return text[: question.start()] if question else text


def _in_box(text: str, comma: bool) -> str | None:
    boxes = list(_BOXED.finditer(text))
    if not boxes:
        return None
    last = boxes[-1]
    depth, end = 1, last.end()
    for end in range(last.end(), min(len(text), last.end() + _LONGEST_BOX)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if not depth:
            break
    content = text[last.end() : end]
    listed = list(numbers(content, comma))
    return (_after_equals(content, listed) or listed[0].value) if listed else None


def _in_statement(text: str, comma: bool) -> str | None:
    """Return the number of the last statement "the answer is …"."""
    for statement in reversed(list(_STATED.finditer(text))):
        rest = text[statement.end() : statement.end() + _LONGEST_STATEMENT].lstrip(" \t*_\n$(")
        sentence = _SENTENCE.match(rest)
        if sentence is None:
            continue
        listed = _countable(sentence.group(), comma)
        if listed:
            return _after_equals(sentence.group(), listed) or listed[0].value
    return None


def _in_last_sentence(text: str, comma: bool) -> str | None:
    lists = {match.start(1) for match in _list_numbers(text)}
    text = "".join(" " if index in lists else letter for index, letter in enumerate(text)) if lists else text
    for keep_ordinals in (False, True):
        for sentence in reversed([match.group() for match in _SENTENCE.finditer(text)]):
            outside = _ASIDE.sub(lambda aside: " " * len(aside.group()), sentence)
            for part in (outside, sentence):
                listed = _countable(part, comma, keep_ordinals)
                if listed:
                    return _best(part, listed)
    return None


def _best(sentence: str, listed: Sequence[Numeral]) -> str:
    for number in reversed(listed):
        if _TOTAL_OF.search(sentence[max(0, number.start - 30) : number.start]):
            return number.value
    for number in listed:
        if _IN_TOTAL.match(sentence, number.end):
            return number.value
    return _after_equals(sentence, listed) or listed[-1].value


def _after_equals(text: str, listed: Sequence[Numeral]) -> str | None:
    """Return the number after the last "=" unless the text goes on to another result."""
    for number in reversed(listed):
        if _EQUALS.search(text[max(0, number.start - 8) : number.start]):
            return None if _GOES_ON.search(text, number.end) else number.value
    return None


def _countable(text: str, comma: bool, keep_ordinals: bool = False) -> list[Numeral]:
    """Return the numbers of `text` that are neither of a step nor, unless kept, ordinals."""
    taken = {place for match in _REFERENCE.finditer(text) for place in range(*match.span())}
    return [
        number
        for number in numbers(text, comma)
        if number.start not in taken and (keep_ordinals or not is_ordinal(text, number))
    ]


def _list_numbers(text: str) -> Iterator[re.Match[str]]:
    """Yield the numbers of a list's items: 1 or, in a later line, the next one."""
    expected = 1
    for match in _LISTED.finditer(text):
        if int(match[1]) in (1, expected):
            expected = int(match[1]) + 1
            yield match
