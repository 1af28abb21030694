"""Two agents that tell of everything they have seen, in which order, and what they have learnt by then."""
