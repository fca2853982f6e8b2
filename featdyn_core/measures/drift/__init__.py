"""Drift of networks during training: of parameters, and of quantities that follow from them."""
