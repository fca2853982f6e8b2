"""How a claim is decided, in a planted world.

A claim is a set of criteria with bounds that are fixed in advance. This example plants worlds in which composites miss
a known share of the images, and judges there the claim that they agree on more than 95 %.
"""

# %%
# The claim has two criteria. One decides. The other is a control: a number whose right value is known.
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
# The planted world has five seeds. All images of one network are one observation.
def judged(missed: float, stranger: float = 0.1) -> str:
    """Return the verdict in a world where composites miss a share of the images; seeds scatter around it."""
    rng = np.random.default_rng(0)
    columns = [Column.planted(range(3), rng.normal(missed, 0.005)) for _ in range(5)]
    numbers = {
        "agreement": [share_of(round(1000 * column.agreement[0, 0]), 1000) for column in columns],
        "stranger": [share_of(round(1000 * Stranger.planted(stranger).agreement[0]), 1000)] * 5,
    }
    verdict, findings = claim.judge(numbers)
    return f"{verdict}: {findings[0]}"


# %%
# The claim is true in the first world and false in the second. The third lies at the bound. In the fourth, the
# measurement always says yes.
print(judged(missed=0.02))
print(judged(missed=0.10))
print(judged(missed=0.05))
print(judged(missed=0.02, stranger=0.9))
