"""Short labels of configurations, for people."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lookahead_ray.sanitize import clean
from lookahead_ray.trial.record import Role

LONGEST_MODEL = 40  # characters
SHOWN: dict[str, tuple[str, ...]] = {
    "preview": ("strategy", "length_tokens", "prefix"),
    "method": ("name",),
    "defence": ("share",),
    "merge": ("share",),
}
"""Part of a configuration that has a text of its own in a label -> its fields in that text."""


def label(
    config: Mapping[str, Any], role: Role = "search", params: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return "seed model", "vanilla", "no preview", "true, 6 tokens" or "virtual, “Let's solve it.”".

    `config` is a TrialConfig as JSON values; the two reference trials are labelled by their role alone, and a
    model that was only evaluated begins with its path, because such trials share a run. Other methods than
    vanilla, defences and the share of a merge are appended: "no preview, constrained_sft, safety mix 10 %,
    safety prompt, share 0.5"; then the other sampled dimensions in `params`: "true, 6 tokens, learning rate
    0.0004".
    """
    if role == "seed":
        return "seed model"
    if role == "vanilla":
        return "vanilla"
    if role == "evaluate":
        return ", ".join([_model(config.get("model", {})), *additions_to_vanilla(config)])
    seed = [f"seed {config['seed']}"] if role == "repeat" else []
    # among repeats, only vanilla has no sampled parameters
    what = "vanilla" if seed and not params else _preview(config["preview"])
    return ", ".join([what, *additions_to_vanilla(config), *searched(params), *seed])


def searched(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield dimensions that neither preview nor `additions_to_vanilla` shows: "learning rate 0.0004"."""
    for name, value in params.items():
        first, _, rest = name.partition(".")
        last = name.rpartition(".")[2]
        if last not in SHOWN.get(first, ()) and (rest or first not in SHOWN):
            shown = f"{value:g}" if isinstance(value, float) else clean(str(value))
            if last == "connector":
                shown = quoted(shown, longest=26)
            yield f"{last.replace('_', ' ')} {shown}"


def additions_to_vanilla(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield labels of method, defences and merge; none for records from before they existed."""
    method, defence = config.get("method", {}), config.get("defence", {})
    if method.get("name", "vanilla") != "vanilla":
        yield method["name"]
    if mix := defence.get("mix"):
        yield f"safety mix {mix['share'] * 100:g} %"
    if defence.get("prompt"):
        yield "safety prompt"
    if merge := config.get("merge"):
        share = _shares(merge["share"])
        yield share if merge["name"] == "linear" else f"{merge['name']} {share}"


def _shares(share: float | str | Sequence[float]) -> str:
    """Return "share 0.75", or of a training that measures several "shares 1, 0.75, 0.5" or "share auto"."""
    if isinstance(share, float | int):
        return f"share {share:.3g}"
    if isinstance(share, str):
        return f"share {share}"
    return f"shares {', '.join(f'{one:.3g}' for one in share)}"


def _model(model: Mapping[str, Any]) -> str:
    """Return a model's path and revision, its end if it is long."""
    line = clean(" ".join(model[name] for name in ("path", "revision") if model.get(name))) or "model"
    return line if len(line) <= LONGEST_MODEL else f"…{line[-LONGEST_MODEL + 1 :]}"


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
