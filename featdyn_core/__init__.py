"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories.

The names below are public; scripts may rely on them. What stands where: see the README.
"""

from featdyn_core.claim import Claim, Criterion, Evidence, Finding, Verdict
from featdyn_core.composite import composite
from featdyn_core.concentration import spectrum
from featdyn_core.consistency import (
    memory_window,
    pointwise_consistency,
    transfer_window,
    window_consistency,
    window_misses,
)
from featdyn_core.data.corruptions import corrupt, corrupted_test_set
from featdyn_core.data.labels import permute_labels, randomize_labels
from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.displacement import displaced
from featdyn_core.distances import energy_distance, mmd, sliced_wasserstein
from featdyn_core.errors import FeatdynError
from featdyn_core.grid import CompositeGrid, composite_grid
from featdyn_core.isotropy import isotropy_test, sign_test
from featdyn_core.linearized import LinearizedNetwork, LinearizedTrajectory, linearized_trajectory
from featdyn_core.models import BlockNetwork, build_model, load_published_resnet
from featdyn_core.noise import full_batch_change, one_step_changes, parameter_noise_changes
from featdyn_core.pairs import band, geometric
from featdyn_core.progress import grid_progress
from featdyn_core.recipe import Recipe, load_recipe
from featdyn_core.register import Curve, Measured, Runs
from featdyn_core.statistics import Interval, holm, seed_interval, welch
from featdyn_core.store import Store, get_trajectory
from featdyn_core.total_variation import classifier_two_sample
from featdyn_core.trajectory import Trajectory

__all__ = [
    "BlockNetwork",
    "Claim",
    "CompositeGrid",
    "Criterion",
    "Curve",
    "Dataset",
    "Evidence",
    "FeatdynError",
    "Finding",
    "Interval",
    "LinearizedNetwork",
    "LinearizedTrajectory",
    "Measured",
    "Recipe",
    "Runs",
    "Store",
    "Trajectory",
    "Verdict",
    "band",
    "build_model",
    "classifier_two_sample",
    "composite",
    "composite_grid",
    "corrupt",
    "corrupted_test_set",
    "displaced",
    "energy_distance",
    "full_batch_change",
    "geometric",
    "get_trajectory",
    "grid_progress",
    "holm",
    "isotropy_test",
    "linearized_trajectory",
    "load_dataset",
    "load_published_resnet",
    "load_recipe",
    "memory_window",
    "mmd",
    "one_step_changes",
    "parameter_noise_changes",
    "permute_labels",
    "pointwise_consistency",
    "randomize_labels",
    "seed_interval",
    "sign_test",
    "sliced_wasserstein",
    "spectrum",
    "transfer_window",
    "welch",
    "window_consistency",
    "window_misses",
]
