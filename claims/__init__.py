"""The claims, one file each. The folder ``register`` holds what was fixed in advance."""
