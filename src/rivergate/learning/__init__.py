"""River models in the life of an agent: figures on late labels, and reasons for what a model said."""

from rivergate.learning.prequential import Figures, Prequential
from rivergate.learning.reasons import contributions, linear_contributions, tree_contributions

__all__ = ["Figures", "Prequential", "contributions", "linear_contributions", "tree_contributions"]
