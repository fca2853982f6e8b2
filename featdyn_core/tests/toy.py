"""A project of toy claims on a training of milliseconds: its register, recipes and claim files."""

from pathlib import Path

SCALES = """
schema = 3
pilot_seeds = [100]

[paper]
title = "A paper"
arxiv = "0000.00000"

[scales.small]
tier = "fast"
seeds = [0, 1, 2]
images = 20
recipes = { digits = "toy" }
found_on = { digits = "202464ca63a9" }

[scales.reduced]
tier = "full"
seeds = [3, 4, 5]
images = 20
recipes = { digits = "toy-reduced", cifar100 = "toy-cifar100" }
"""

MEDIUM = """
[scales.medium]
tier = "full"
seeds = [7, 8, 9]
images = 20
recipes = { digits = "toy" }

[scales.reduced]
""".strip()
"""In the place of the larger scale's head: another scale before it."""

RECIPE = """
schema = 1
[data]
set = "digits"
subset = 60
[network]
name = "mlp"
hidden = [4]
[optimizer]
name = "sgd"
learning_rate = 0.1
[training]
epochs = 3
batch_size = 30
checkpoints = [[0, 3, 1]]
"""

RECIPES = {
    "toy": RECIPE,
    "toy-reduced": RECIPE.replace("learning_rate = 0.1", "learning_rate = 0.2"),
    "toy-cifar100": RECIPE.replace('"digits"', '"cifar100"'),
}

ENTRY = """
title = "{title}"
section = "{section}"
sentence = "It holds."
subjects = ["digits"]
{more}
[windows]
small = {{ late = [{first}, 3] }}
reduced = {{ late = [{first}, 3] }}

[records]
column = {{ kind = "column", window = "late", deep = "last" }}
stranger = {{ kind = "stranger", window = "late", deep = "last" }}

[decides."effect"]
quantity = "what the test says"
unit = "difference"
above = 0.5

[controls."null"]
quantity = "the control"
unit = "difference"
below = 0.1
"""

CLAIM = '''
"""A toy claim."""

import pytest

from featdyn_core.harness.run import Run
from featdyn_core.verdicts.measured import Measured
from featdyn_core.analysis.columns import over_shallow_epochs

pytestmark = pytest.mark.claim("{claim}")

EFFECT, NULL = {effect}, {null}


def measure(run: Run) -> Measured:
    columns = run.columns("column")
    assert {{column.predictions.shape for column in columns.values()}} == {{(1, {rows}, 20)}}
    assert run.record("stranger").agreement.shape == (1,)
    return Measured(
        {{"effect": EFFECT[run.seed % 3], "null": NULL}},
        curves={{"agreement": over_shallow_epochs(columns["held-out"], "agreement", "agreement with f_t")}},
    )


def test_{function}(decide):
    decide(measure)
'''

HOLDS = (0.9, 0.91, 0.92)
FAILS = (0.1, 0.11, 0.12)


def entry(title: str = "Demo", section: str = "1", first: int = 1, more: str = "") -> str:
    """Return the register's file of a claim whose window is from an epoch to the last."""
    return ENTRY.format(title=title, section=section, first=first, more=more)


def claim_file(
    claim: str = "demo", effect: tuple[float, ...] = HOLDS, null: float = 0.0, first: int = 1, measure: str = ""
) -> str:
    """Return the test file of a claim with given numbers, seed by seed, or with a given ``measure``."""
    function = claim.replace("-", "_")
    text = CLAIM.format(claim=claim, effect=effect, null=null, rows=4 - first, function=function)
    if not measure:
        return text
    head, rest = text.split("def measure(run: Run) -> Measured:\n")
    return f"{head}{measure.strip()}\n\n\ndef test_{rest.split('def test_')[1]}"


def write_project(root: Path, **entries: str) -> Path:
    """Write register and recipes into a folder; ``entries`` are files of the register, one called demo by default."""
    files = {f"fixtures/recipes/{name}.toml": text for name, text in RECIPES.items()}
    files["claims/register/scales.toml"] = SCALES
    files |= {f"claims/register/{name}.toml": text for name, text in (entries or {"demo": entry()}).items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def write_claim(root: Path, claim: str = "demo", **options) -> None:
    """Write a claim's test file into a project."""
    path = root / "claims" / f"test_{claim.replace('-', '_')}.py"
    path.write_text(claim_file(claim, **options), encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    """Change a file that holds ``old``."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


SWEEP = """
scale = "small"
subject = "digits"
[effects]
demo = "effect"
[variations.again]
title = "re-estimated"
records.column = { policy = "recalibrate" }
[variations.slow]
title = "another rate"
recipe.optimizer = { learning_rate = 0.05 }
"""


def write_sweeps(folder: Path) -> None:
    """Write a sweep at each scale: the toy claim with other records and with another recipe."""
    (folder / "claims/sweeps").mkdir()
    (folder / "claims/sweeps/some.toml").write_text(SWEEP)
    (folder / "claims/sweeps/large.toml").write_text(SWEEP.replace('"small"', '"reduced"'))


MULTIVERSE = """
[multiverse]
window."two epochs" = { windows = { small.late = [1, 3], reduced.late = [1, 3] } }
window."one epoch" = { windows = { small.late = [2, 3], reduced.late = [2, 3] } }
bound."0.3" = { criteria = { "effect".above = 0.3 } }
bound."0.7" = { criteria = { "effect".above = 0.7 } }
bound."0.95" = { criteria = { "effect".above = 0.95 } }
control."twice" = { criteria = { "null".below = 0.2 } }
"""
"""What a toy claim whose window begins at epoch 0 may end with: 24 specifications."""
