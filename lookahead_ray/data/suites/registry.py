"""Safety suites: requests that must stay refused, and requests that must not be refused.

`SUITES` maps a suite's name to the function that loads it. A new suite takes a configuration in
config/safety.py, a short module with a function from it to a `SafetySuite`, and one line in `SUITES`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lookahead_ray.config.safety import SafetyConfig
from lookahead_ray.data.suites.advbench import load_advbench
from lookahead_ray.data.suites.file import load_file_suite
from lookahead_ray.data.suites.hex_phi import load_hex_phi
from lookahead_ray.data.suites.jailbreakbench import load_jailbreakbench
from lookahead_ray.data.suites.probe import load_probe
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.data.suites.xstest import load_xstest

SUITES: Mapping[str, Callable[[Any], SafetySuite]] = {
    "probe": load_probe,
    "hex_phi": load_hex_phi,
    "advbench": load_advbench,
    "jailbreakbench": load_jailbreakbench,
    "xstest": load_xstest,
    "file": load_file_suite,
}
"""Every suite, by the `name` of its configuration."""


def load_suite(config: SafetyConfig) -> SafetySuite:
    """Load the configured suite. Raises DataError for a source or row that breaks a rule."""
    return SUITES[config.name](config)
