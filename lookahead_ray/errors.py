"""Exceptions of this package; `LookaheadRayError` is the base class of all that are raised deliberately.

    LookaheadRayError
    ├── ConfigError    a configuration breaks a rule
    ├── DataError      a data file, a row or a number of examples breaks a rule
    │   └── HubDataError   a hub data set is gated, or cannot be reached
    ├── ModelError     a model, tokenizer or adapter cannot be loaded or used
    │   └── HubModelError  a model of the hub is gated, or cannot be reached
    ├── StoreError     a trial table cannot be written or read
    └── TrialError     a trial failed while it ran
        └── InfrastructureError  through its machines, disk, network or storage, not its configuration

A message of `ConfigError` or `DataError` is one line: "<file>: <field or line N>: <rule>, got <value>".
"""


class LookaheadRayError(Exception):
    """Base class of all errors that this package raises deliberately."""


class ConfigError(LookaheadRayError):
    """A configuration breaks a rule; one line: "<file>: <field>: <rule>, got <value>"."""


class DataError(LookaheadRayError):
    """A data file or row breaks a rule; one line: "<file>: <field or line N>: <rule>, got <value>"."""


class HubDataError(DataError):
    """A hub data set is gated, or neither the hub nor a cached copy can be reached."""


class ModelError(LookaheadRayError):
    """A model, tokenizer or adapter cannot be loaded or does not fit its use."""


class HubModelError(ModelError):
    """A model of the hub is gated, or neither the hub nor a cached copy can be reached."""


class StoreError(LookaheadRayError):
    """A trial table cannot be written or read, or has an unexpected schema."""


class TrialError(LookaheadRayError):
    """A trial failed while it ran."""


class InfrastructureError(TrialError):
    """A trial failed through the infrastructure: a disk, the network, storage, memory or a machine.

    The same configuration may succeed once they are mended. A sweep that raises it can be resumed.
    """
