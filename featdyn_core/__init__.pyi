"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories.

The names below are public; scripts may rely on them. What stands where: see the README.
"""

from .data.corruptions import corrupt, corrupted_test_set
from .data.labels import permute_labels, randomize_labels
from .data.sources import Dataset, load_dataset
from .errors import FeatdynError
from .harness.run import Measured, Run
from .launch.progress import grid_progress
from .measures.composites.composite import composite
from .measures.composites.consistency import (
    memory_window,
    pointwise_consistency,
    transfer_window,
    window_consistency,
    window_misses,
)
from .measures.composites.displacement import displaced
from .measures.composites.grid import CompositeGrid, composite_grid
from .measures.composites.masks import band, geometric
from .measures.distances.discrepancies import energy_distance, mmd, sliced_wasserstein
from .measures.distances.total_variation import classifier_two_sample
from .measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory, linearized_trajectory
from .measures.one_step.concentration import spectrum
from .measures.one_step.isotropy import isotropy_test, sign_test
from .measures.one_step.protocol import full_batch_change, one_step_changes, parameter_noise_changes
from .networks.blocks import BlockNetwork
from .networks.pretrained import load_published_resnet
from .networks.zoo import build_model
from .store.supply import Store, get_trajectory
from .trajectories.recipe import Recipe, load_recipe
from .trajectories.trajectory import Trajectory
from .verdicts.claim import Claim, Criterion, Draws, Finding, Verdict
from .verdicts.curve import Curve
from .verdicts.evidence import Evidence
from .verdicts.inference import Interval, holm, seed_interval, welch

__all__ = [
    "BlockNetwork",
    "Claim",
    "CompositeGrid",
    "Criterion",
    "Curve",
    "Dataset",
    "Draws",
    "Evidence",
    "FeatdynError",
    "Finding",
    "Interval",
    "LinearizedNetwork",
    "LinearizedTrajectory",
    "Measured",
    "Recipe",
    "Run",
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
