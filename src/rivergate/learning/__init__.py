"""River models in the life of an agent: figures on late labels, reasons for what a model said, what it knows."""

from rivergate.learning.describing import described
from rivergate.learning.prequential import Figures, Prequential
from rivergate.learning.reasons import contributions, linear_contributions, tree_contributions

__all__ = ["Figures", "Prequential", "contributions", "described", "linear_contributions", "tree_contributions"]
