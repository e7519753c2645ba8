"""Short labels of configurations, for people."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from lookahead_ray.sanitize import clean
from lookahead_ray.trial.record import Role


def label(
    config: Mapping[str, Any], role: Role = "search", params: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return "seed model", "vanilla", "no preview", "true, 6 tokens" or "virtual, “Let's solve it.”".

    `config` is a TrialConfig as JSON values; the two reference trials are labelled by their role alone. Other
    methods than vanilla and defences are appended: "no preview, constrained_sft, safety mix 10 %, safety
    prompt"; then the other sampled dimensions in `params`: "true, 6 tokens, learning rate 0.0004".
    """
    if role == "seed":
        return "seed model"
    if role == "vanilla":
        return "vanilla"
    seed = [f"seed {config['seed']}"] if role == "repeat" else []
    # among repeats, only vanilla has no sampled parameters
    what = "vanilla" if seed and not params else _preview(config["preview"])
    return ", ".join([what, *method_and_defence_label(config), *searched(params), *seed])


def searched(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield dimensions that neither preview nor `method_and_defence_label` shows: "learning rate 0.0004"."""
    for name, value in params.items():
        first, _, rest = name.partition(".")
        if first != "preview" and (rest or first not in ("method", "defence")):
            shown = f"{value:g}" if isinstance(value, float) else clean(str(value))
            yield f"{name.rpartition('.')[2].replace('_', ' ')} {shown}"


def method_and_defence_label(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield labels of method and defences; none for records from before methods existed."""
    method, defence = config.get("method", {}), config.get("defence", {})
    if method.get("name", "vanilla") != "vanilla":
        yield method["name"]
    if mix := defence.get("mix"):
        yield f"safety mix {mix['share'] * 100:g} %"
    if defence.get("prompt"):
        yield "safety prompt"


def _preview(preview: Mapping[str, Any]) -> str:
    match preview["strategy"]:
        case "true":
            return f"true, {tokens(preview['length_tokens'])}"
        case "virtual":
            return f"virtual, {quoted(preview['prefix'])}"
        case _:
            return "no preview"


def tokens(count: int) -> str:
    """Return "1 token" or "6 tokens"."""
    return f"{count} token" if count == 1 else f"{count} tokens"


def quoted(prefix: str, longest: int = 48) -> str:
    """Return the printable part of the phrase on one line in curly quotes, cut to `longest` characters."""
    line = clean(prefix)
    return f"“{line if len(line) <= longest else line[: longest - 1].rstrip() + '…'}”"
