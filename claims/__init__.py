"""The claims, one file each, in the paper's order; ``register.toml`` holds what was fixed in advance."""
