"""The exception tree: catch `LookaheadRayError` for everything this package raises on purpose.

    LookaheadRayError
    ├── ConfigError    a configuration breaks a rule
    ├── DataError      a data file, row or request for examples breaks a rule
    │   └── HubDataError   a hub data set is gated, or cannot be reached
    ├── ModelError     a model, tokenizer or adapter cannot be loaded or used
    ├── StoreError     a trial table cannot be written or read
    └── TrialError     a trial failed while it ran

Messages of `ConfigError` and `DataError` are one line: "<file>: <field or line N>: <rule>, got <value>".
"""


class LookaheadRayError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(LookaheadRayError):
    """A configuration breaks a rule; one line: "<file>: <field>: <rule>, got <value>"."""


class DataError(LookaheadRayError):
    """A data file or row breaks a rule; one line: "<file>: <field or line N>: <rule>, got <value>"."""


class HubDataError(DataError):
    """A hub data set is gated, or neither the hub nor a cached copy can be reached."""


class ModelError(LookaheadRayError):
    """A model, tokenizer or adapter cannot be loaded or does not fit its use."""


class StoreError(LookaheadRayError):
    """A trial table cannot be written, read, or has another schema than expected."""


class TrialError(LookaheadRayError):
    """A trial failed while it ran."""
