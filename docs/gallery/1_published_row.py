"""A published row and its figure.

A row of evidence holds its numbers by criterion and by seed, and the curves that the report draws.
"""

# %%
# `read_evidence` judges every number of the file again. `row` finds a row by its id. A row prints as one line, and a
# notebook shows it as a table.
from featdyn_core import plot_evidence, read_evidence

row = read_evidence("evidence/fast-cpu/evidence.json").row("memory-window-small-digits-replayed")
print(row)

# %%
# This prints each deciding item with its interval over seeds, its worst seed and its bound.
for finding in row.deciding:
    print(finding)

# %%
# Each figure of a row has a title.
print(*row.curves, sep="\n")
axes = plot_evidence(row, "memory on held-out images: agreement")
