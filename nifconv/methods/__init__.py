"""How a convolution is computed: a registered operator in frequency, a direct sum, and the choice between them."""

from nifconv.methods.crossover import METHODS, Crossover, use_crossover

__all__ = ["METHODS", "Crossover", "use_crossover"]
