"""Safety suites: requests that must stay refused, and requests that must not be refused.

`SUITES` maps a suite's name to its configuration class and the function that loads it. A new suite takes a
module with both, and one line in `SUITES`.
"""

from collections.abc import Mapping
from typing import Any

from lookahead_ray.config.safety import (
    AdvBenchSuite,
    FileSuite,
    HexPhiSuite,
    JailbreakBenchSuite,
    ProbeSuite,
    SafetyConfig,
    XsTestSuite,
)
from lookahead_ray.config.variants import Variant
from lookahead_ray.data.suites.advbench import load_advbench
from lookahead_ray.data.suites.file import load_file_suite
from lookahead_ray.data.suites.hex_phi import load_hex_phi
from lookahead_ray.data.suites.jailbreakbench import load_jailbreakbench
from lookahead_ray.data.suites.probe import load_probe
from lookahead_ray.data.suites.suite import SafetySuite
from lookahead_ray.data.suites.xstest import load_xstest

SUITES: Mapping[str, Variant[Any, [], SafetySuite]] = {
    "probe": Variant(ProbeSuite, load_probe),
    "hex_phi": Variant(HexPhiSuite, load_hex_phi),
    "advbench": Variant(AdvBenchSuite, load_advbench),
    "jailbreakbench": Variant(JailbreakBenchSuite, load_jailbreakbench),
    "xstest": Variant(XsTestSuite, load_xstest),
    "file": Variant(FileSuite, load_file_suite),
}
"""Every suite, by the `name` of its configuration."""


def load_suite(config: SafetyConfig) -> SafetySuite:
    """Load the configured suite. Raises DataError for a source or row that breaks a rule."""
    return SUITES[config.name](config)
