"""Decision regions of the last layer, and what moves among them."""
