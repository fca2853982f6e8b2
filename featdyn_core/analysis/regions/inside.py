"""Shares of past features as a claim's numbers, by split, with the number of features that they were counted from."""

from collections.abc import Callable, Mapping

from featdyn_core.records.last_layer import LastLayer
from featdyn_core.verdicts.units import Counted


def counted_inside(found: Mapping[str, LastLayer], share: Callable[[LastLayer], float]) -> dict[str, Counted]:
    """Return a share of past features, or a difference of shares, by split.

    Args:
        found: split to its features.
        share: function from features to the number.

    Examples:
        >>> layer = planted_paths(np.zeros(10))
        >>> counted_inside({"held-out": layer}, lambda found: found.share_inside(found.past))
        {'held-out': Counted(value=1.0, of=20)}
    """
    return {split: Counted(share(features), features.count) for split, features in found.items()}
