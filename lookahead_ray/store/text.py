"""Text that UTF-8 can hold.

Models write anything: each surrogate code point (never valid in UTF-8) becomes U+FFFD; all else, NULs
included, is kept.
"""

import json
import re

from lookahead_ray.errors import StoreError

SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with U+FFFD for each surrogate code point."""
    return SURROGATE.sub("\ufffd", text)


def to_json(value: object, where: str, indent: int | None = None) -> str:
    """Clean JSON text; `StoreError` naming `where` if `value` holds what JSON cannot say, NaN for one."""
    try:
        return clean(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{where}: must hold JSON values: {' '.join(str(error).split())}") from error
