"""Training in the linearised regime (section 4.2, App. D)."""
