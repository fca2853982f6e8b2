"""Composites of a published record.

The record of a column holds the predictions of every composite. Any statistic can be computed from it without the
network.
"""

# %%
# This record is of MNIST in the paper's own setting: shallow parts of epochs 200 to 300 under the deep part of epoch
# 300.
from featdyn_core import memory_window, plot_column, read_record, share_at_one

columns = read_record("memory-window", "column", subject="mnist", scale="paper", seed=5)
column = columns["held-out"]
print(column.cuts, column.epochs.tolist(), column.predictions.shape)

# %%
# At each cut, this prints for how many epochs back the agreement with the last network stays at 0.99 or above.
for cut, agreement in zip(column.cuts, column.agreement, strict=True):
    print(cut, memory_window(agreement, column.epochs, level=0.99))
axes = plot_column(column)

# %%
# Point-wise consistency: the share of images that every composite of the window classifies as the last network does.
print([round(share_at_one(of_images), 3) for of_images in column.consistency])
