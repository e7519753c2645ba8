"""The format of CSV files from command-line options."""

from pydantic import ValidationError

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.errors import ConfigError


def csv_format(delimiter: str | None, encoding: str | None, quotes: bool | None = None) -> CsvFormat:
    """Return the format; what is None is found in the file. Raises ConfigError naming the option."""
    try:
        return CsvFormat(delimiter=delimiter, encoding=encoding, quotes=quotes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--{first['loc'][0]}: {reason[0].lower()}{reason[1:]}") from error
