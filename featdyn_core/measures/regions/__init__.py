"""Where features lie in the decision regions of the last layer, and what noise takes them out of them."""
