"""How a claim is decided, in a world that is known.

A claim is a set of criteria with bounds that are fixed in advance. Here a world is planted in which composites miss 2 %
of the images, and the claim that they agree on more than 95 % is judged on it.
"""

# %%
# Two criteria: one decides, and one is a control, a number whose right value is known.
import numpy as np

from featdyn_core import Claim, Column, Criterion, Role, Stranger, Unit, share_of

claim = Claim(
    id="memory",
    section="4.2",
    sentence="composite networks retain high performance",
    criteria=(
        Criterion("agreement", "agreement with f_t", "above", 0.95, unit=Unit.SHARE),
        Criterion("stranger", "agreement of another seed's half", "below", 0.5, role=Role.CONTROL, unit=Unit.SHARE),
    ),
)


# %%
# Five seeds of the planted world. All images of one network are one observation.
def judged(missed: float, stranger: float = 0.1) -> str:
    """Return the verdict where composites miss a share of the images, about which seeds scatter."""
    rng = np.random.default_rng(0)
    columns = [Column.planted(range(3), rng.normal(missed, 0.005)) for _ in range(5)]
    numbers = {
        "agreement": [share_of(round(1000 * column.agreement[0, 0]), 1000) for column in columns],
        "stranger": [share_of(round(1000 * Stranger.planted(stranger).agreement[0]), 1000)] * 5,
    }
    verdict, findings = claim.judge(numbers)
    return f"{verdict}: {findings[0]}"


# %%
# A world in which the claim is true, one in which it is false, one at the bound, and one with a measurement that always
# says yes.
print(judged(missed=0.02))
print(judged(missed=0.10))
print(judged(missed=0.05))
print(judged(missed=0.02, stranger=0.9))
