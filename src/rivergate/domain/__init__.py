"""The nouns of rivergate: immutable values without I/O, and the errors."""
