"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories.

The names below are public; scripts may rely on them.
"""

from . import planted
from .analysis.association import Association, anisotropy_and_memory, planted_link
from .analysis.columns import (
    accuracy_lost,
    across,
    cumulative,
    gained_over_churn,
    mean_consistency,
    over_shallow_epochs,
    trends,
)
from .analysis.consistency import between_halves, distributions, over_depths
from .analysis.finite import FiniteClass, finite_law, finite_total_variation
from .analysis.growth import planted_growth, windows_along_path, windows_in_epochs
from .analysis.items import by_criterion, by_depth, chosen, difference, minus, with_splits
from .analysis.levels import empirical_level, miss_rates, particle_levels, share_within
from .analysis.monotonicity import (
    COUNTER_EXAMPLE_TO_A,
    COUNTER_EXAMPLE_TO_B,
    largest_rise_as_shallow_recedes,
    largest_rise_in_deep_time,
    largest_rise_over_end,
    quadratic_loss_grid,
)
from .analysis.regions.axes import NOISE_AXES, Noise, controls_of_noise, inside_by_size, planted_sectors, unread_axes
from .analysis.regions.coverage import coverage
from .analysis.regions.inside import counted_inside
from .analysis.regions.planes import plane
from .analysis.regions.turning import (
    MIRRORED,
    RIGHT_ANGLES,
    all_round,
    gained_at_random,
    gained_over,
    inside_by_epoch,
    planted_paths,
    shares_by_epoch,
    turned,
)
from .analysis.shares import (
    against_isotropy,
    concentrated,
    direction_shares,
    isotropic_changes,
    isotropic_p_values,
    isotropic_shares,
    spectrum_lines,
    variance_shares,
)
from .analysis.softmax import curvature, logit_cross_entropy, softmax_hessian
from .analysis.statistics import geometric_mean, kendall, welch
from .analysis.theorems import examined
from .analysis.windows import inside_window
from .data.corruptions import corrupt, corrupted_test_set
from .data.labels import permute_labels, randomize_labels
from .data.official import CORRUPTION_KINDS
from .data.sources import Dataset, load_dataset
from .errors import FeatdynError
from .harness.lookup import read_record
from .harness.run import Decide, Run
from .launch.progress import grid_progress
from .measures.composites.composite import composite
from .measures.composites.consistency import (
    epsilon_window,
    memory_window,
    pointwise_consistency,
    share_at_one,
    tail_mass,
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
from .measures.one_step.concentration import participation_ratio, spectrum, top_share
from .measures.one_step.gram import ChangeGram
from .measures.one_step.isotropy import isotropy_test, sign_test
from .measures.one_step.protocol import full_batch_change, one_step_changes, parameter_noise_changes
from .measures.one_step.spectra import ChangeSpectra
from .networks.blocks import BlockNetwork
from .networks.pretrained import load_published_resnet
from .networks.zoo import build_model
from .planted import Judge, World
from .plots import plot_column, plot_curve, plot_evidence, plot_grid
from .provenance import __version__
from .records.alignment import Alignment
from .records.averaged_halves import AveragedHalves
from .records.averages import Averages
from .records.changes import Changes
from .records.closeness import Closeness
from .records.column import Column
from .records.descent import Descent
from .records.directions import Directions
from .records.flatness import Flatness
from .records.labels import Labels
from .records.last_layer import LastLayer
from .records.linearised import Linearised
from .records.log import TrainingLog
from .records.losses import LossGrid
from .records.misclassified import Misclassified
from .records.origin import Origin
from .records.path import WHOLE_NETWORK, TrainingPath
from .records.stranger import Stranger
from .records.surrogates import DISTANCE_NAMES, Surrogates
from .register.register import Window
from .report.rows import Rows, read_evidence
from .seeds import numpy_generator
from .store.adopting import adopt
from .store.supply import Store, get_trajectory
from .trajectories.adoption import Adoption, read_adoption
from .trajectories.recipe import Recipe, load_recipe
from .trajectories.trajectory import Trajectory
from .verdicts.claim import Claim, Verdict
from .verdicts.criterion import Criterion, Finding, Outcome, Role
from .verdicts.curve import Curve
from .verdicts.evidence import Evidence
from .verdicts.families import holm
from .verdicts.inference import Interval, seed_interval
from .verdicts.measured import Lines, Measured
from .verdicts.units import Counted, Number, Unit, mean_correlation, share_of

__all__ = [
    "CORRUPTION_KINDS",
    "COUNTER_EXAMPLE_TO_A",
    "COUNTER_EXAMPLE_TO_B",
    "DISTANCE_NAMES",
    "MIRRORED",
    "NOISE_AXES",
    "RIGHT_ANGLES",
    "WHOLE_NETWORK",
    "Adoption",
    "Alignment",
    "Association",
    "AveragedHalves",
    "Averages",
    "BlockNetwork",
    "ChangeGram",
    "ChangeSpectra",
    "Changes",
    "Claim",
    "Closeness",
    "Column",
    "CompositeGrid",
    "Counted",
    "Criterion",
    "Curve",
    "Dataset",
    "Decide",
    "Descent",
    "Directions",
    "Evidence",
    "FeatdynError",
    "Finding",
    "FiniteClass",
    "Flatness",
    "Interval",
    "Judge",
    "Labels",
    "LastLayer",
    "Linearised",
    "LinearizedNetwork",
    "LinearizedTrajectory",
    "Lines",
    "LossGrid",
    "Measured",
    "Misclassified",
    "Noise",
    "Number",
    "Origin",
    "Outcome",
    "Recipe",
    "Role",
    "Rows",
    "Run",
    "Store",
    "Stranger",
    "Surrogates",
    "TrainingLog",
    "TrainingPath",
    "Trajectory",
    "Unit",
    "Verdict",
    "Window",
    "World",
    "__version__",
    "accuracy_lost",
    "across",
    "adopt",
    "against_isotropy",
    "all_round",
    "anisotropy_and_memory",
    "band",
    "between_halves",
    "build_model",
    "by_criterion",
    "by_depth",
    "chosen",
    "classifier_two_sample",
    "composite",
    "composite_grid",
    "concentrated",
    "controls_of_noise",
    "corrupt",
    "corrupted_test_set",
    "counted_inside",
    "coverage",
    "cumulative",
    "curvature",
    "difference",
    "direction_shares",
    "displaced",
    "distributions",
    "empirical_level",
    "energy_distance",
    "epsilon_window",
    "examined",
    "finite_law",
    "finite_total_variation",
    "full_batch_change",
    "gained_at_random",
    "gained_over",
    "gained_over_churn",
    "geometric",
    "geometric_mean",
    "get_trajectory",
    "grid_progress",
    "holm",
    "inside_by_epoch",
    "inside_by_size",
    "inside_window",
    "isotropic_changes",
    "isotropic_p_values",
    "isotropic_shares",
    "isotropy_test",
    "kendall",
    "largest_rise_as_shallow_recedes",
    "largest_rise_in_deep_time",
    "largest_rise_over_end",
    "linearized_trajectory",
    "load_dataset",
    "load_published_resnet",
    "load_recipe",
    "logit_cross_entropy",
    "mean_consistency",
    "mean_correlation",
    "memory_window",
    "minus",
    "miss_rates",
    "mmd",
    "numpy_generator",
    "one_step_changes",
    "over_depths",
    "over_shallow_epochs",
    "parameter_noise_changes",
    "participation_ratio",
    "particle_levels",
    "permute_labels",
    "plane",
    "planted",
    "planted_growth",
    "planted_link",
    "planted_paths",
    "planted_sectors",
    "plot_column",
    "plot_curve",
    "plot_evidence",
    "plot_grid",
    "pointwise_consistency",
    "quadratic_loss_grid",
    "randomize_labels",
    "read_adoption",
    "read_evidence",
    "read_record",
    "seed_interval",
    "share_at_one",
    "share_of",
    "share_within",
    "shares_by_epoch",
    "sign_test",
    "sliced_wasserstein",
    "softmax_hessian",
    "spectrum",
    "spectrum_lines",
    "tail_mass",
    "top_share",
    "transfer_window",
    "trends",
    "turned",
    "unread_axes",
    "variance_shares",
    "welch",
    "window_consistency",
    "window_misses",
    "windows_along_path",
    "windows_in_epochs",
    "with_splits",
]
