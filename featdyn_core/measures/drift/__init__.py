"""How far networks move while they train: parameters and what follows from them."""
