"""What a training is: its recipe, its checkpoints, and where it puts them."""
