"""Names of the networks that a recipe may choose; apart from them, so that a recipe is read without torch."""

NETWORKS = ("resnet20", "resnet8", "mlp", "svhn-convnet", "stl10-convnet")
