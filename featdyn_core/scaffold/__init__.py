"""Write new projects: the paper's claims as they are, or some of them on a user's own trainings."""
