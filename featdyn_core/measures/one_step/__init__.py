"""Feature changes by single updates, and whether they are isotropic (section 6)."""
