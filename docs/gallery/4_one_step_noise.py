"""Is the noise of one SGD step isotropic?

A published record keeps the Gram matrix of 48 feature changes of an image, one for each single step. The tests of
isotropy need nothing else.
"""

# %%
# Take one image of one seed at the last epoch. For comparison, draw as many isotropic changes with as many features.
import numpy as np
from matplotlib import pyplot

from featdyn_core import ChangeGram, isotropy_test, participation_ratio, read_record, sign_test, spectrum

changes = read_record("anisotropy-rejection", "changes", subject="digits", scale="small", seed=30)
of_sgd = changes.sgd[-1][0]
isotropic = ChangeGram.gaussian(of_sgd.updates, of_sgd.features, np.random.default_rng(0))
print(of_sgd.updates, "steps,", of_sgd.features, "features")

# %%
# There are two tests of isotropy: the paper's, and a sign test that ignores lengths.
for name, kept in (("SGD", of_sgd), ("isotropic", isotropic)):
    shape, signs = isotropy_test(kept, draws=999, rng=np.random.default_rng(0)), sign_test(kept)
    print(f"{name:10} p = {shape.p_value:.3f} and {signs.p_value:.3f}, {participation_ratio(kept):.1f} directions")

# %%
# The figure shows the share of the variance along each direction, largest first.
axes = pyplot.gca()
for name, kept in (("SGD", of_sgd), ("isotropic", isotropic)):
    eigenvalues = spectrum(kept)
    axes.plot(range(1, len(eigenvalues) + 1), eigenvalues / eigenvalues.sum(), label=name)
axes.set(xlabel="direction", ylabel="share of variance", yscale="log")
legend = axes.legend()
