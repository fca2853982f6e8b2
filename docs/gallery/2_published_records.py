"""Composites of a published record.

A record holds the predictions of every composite, so that any statistic can be taken from it without the network.
"""

# %%
# MNIST in the paper's own setting: shallow halves of the epochs 200 to 300 under the deep half of epoch 300.
from featdyn_core import memory_window, plot_column, read_record, share_at_one

columns = read_record("memory-window", "column", subject="mnist", scale="paper", seed=5)
column = columns["held-out"]
print(column.cuts, column.epochs.tolist(), column.predictions.shape)

# %%
# Agreement with the last network at each cut, and for how many epochs back it stays at 0.99 or above.
for cut, agreement in zip(column.cuts, column.agreement, strict=True):
    print(cut, memory_window(agreement, column.epochs, level=0.99))
axes = plot_column(column)

# %%
# Point-wise consistency: the share of images that every composite of the window classifies as the last network does.
print([round(share_at_one(of_images), 3) for of_images in column.consistency])
