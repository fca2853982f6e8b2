"""The kinds of record, by the name that the register and the descriptions of records use.

A record is one primitive measurement of one trajectory. It is raw enough that every bound, inner window, level or
statistic follows from it without the network. Making a record imports torch; reading it does not. A new kind is a
module of this package and a line here.
"""

from featdyn_core.records import (
    alignment,
    averaged_halves,
    averages,
    changes,
    churn,
    closeness,
    column,
    descent,
    directions,
    features,
    flatness,
    labels,
    last_layer,
    linearised,
    log,
    losses,
    misclassified,
    origin,
    path,
    stranger,
    surrogates,
)
from featdyn_core.records.kind import Kind

KINDS: dict[str, Kind] = {
    "column": column.KIND,
    "churn": churn.KIND,
    "stranger": stranger.KIND,
    "errors": misclassified.KIND,
    "averages": averages.KIND,
    "averaged_halves": averaged_halves.KIND,
    "closeness": closeness.KIND,
    "directions": directions.KIND,
    "changes": changes.KIND,
    "losses": losses.KIND,
    "linearised": linearised.KIND,
    "descent": descent.KIND,
    "origin": origin.KIND,
    "path": path.KIND,
    "features": features.KIND,
    "flatness": flatness.KIND,
    "log": log.KIND,
    "labels": labels.KIND,
    "surrogates": surrogates.KIND,
    "last_layer": last_layer.KIND,
    "alignment": alignment.KIND,
}
