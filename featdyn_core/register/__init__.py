"""What was fixed in advance: claims, scales and sweeps, read from TOML."""
