"""Tiers: rows that run together, and the scale at which they run."""

from collections.abc import Iterable

from featdyn_core.errors import RecipeError
from featdyn_core.register.register import AUTO, Register
from featdyn_core.register.register import TIERS as OF_SCALES

SWEEP = "sweep"
"""The tier of claims decided again where one thing is varied."""

TIERS = (*OF_SCALES, SWEEP)
"""All tiers of rows: those of the register's scales, and that of sweeps."""


def scales_run(register: Register, tiers: Iterable[str], *, chosen: str = AUTO, device: str = "auto") -> dict[str, str]:
    """Return the scale at which each of some tiers runs.

    A chosen scale applies to its own tier and to sweeps. By default a tier runs at its first scale, or at its last on a
    GPU, and sweeps run at the first scale of all.

    A missing device is a ``DeviceError``.

    Args:
        register: lists its scales from the smallest to the largest.
        tiers: of ``TIERS``.
        chosen: name of a scale, or ``AUTO``.
        device: where claims are measured, as ``devices.resolve_device`` takes it.

    Raises:
        RecipeError: the register lacks the scale, or has none for a tier; or the scale belongs to another tier.
    """
    tiers = list(tiers)
    if chosen == AUTO:
        return {tier: _usual(register, tier, device) for tier in tiers}
    own = register.scale(chosen).tier
    if not {own, SWEEP}.intersection(tiers):
        raise RecipeError(f"the scale {chosen} is of the tier {own}, and not of {', '.join(tiers)}; choose another")
    return {tier: chosen if tier in (own, SWEEP) else _usual(register, tier, device) for tier in tiers}


def _usual(register: Register, tier: str, device: str) -> str:
    found = [scale.name for scale in register.scales.values() if tier in (scale.tier, SWEEP)]
    if not found:
        raise RecipeError(f"the register has no scale of the tier {tier}")
    return found[-1] if tier != SWEEP and len(found) > 1 and _on_gpu(device) else found[0]


def _on_gpu(device: str) -> bool:
    from featdyn_core.devices import resolve_device  # it imports torch, and a tier of one scale does without

    return resolve_device(device).type == "cuda"
