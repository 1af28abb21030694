"""What a shard knows, without a line of rivergate in it: the offline run folds the very same class by itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from river.linear_model import LogisticRegression
from river.preprocessing import StandardScaler


class Learner:
    """A River model that learns from labels, and for each key a count and a chain over all that was seen of it."""

    def __init__(self) -> None:
        self.scaler = StandardScaler()
        self.model = LogisticRegression()
        self.learned = 0
        self.counts: dict[str, int] = {}
        self.chains: dict[str, str] = {}

    def see(self, key: str, n: int, features: dict[str, float]) -> float:
        """Take an event in; returns the risk that the model sees in it."""
        self.counts[key] = self.counts.get(key, 0) + 1
        self.chains[key] = hashlib.sha256(f"{self.chains.get(key, '')}/{n}".encode()).hexdigest()[:32]
        self.scaler.learn_one(features)
        return round(self.model.predict_proba_one(self.scaler.transform_one(features)).get(True, 0.5), 9)

    def learn(self, features: dict[str, float], value: bool) -> None:
        """Learn the truth about an event from its features of then."""
        self.model.learn_one(self.scaler.transform_one(features), value)
        self.learned += 1

    def digest(self) -> str:
        """Hex SHA-256 of all that was learnt, floats to the last bit."""
        known: dict[str, Any] = {
            "learned": self.learned,
            "counts": self.counts,
            "chains": self.chains,
            "means": {k: float(v).hex() for k, v in self.scaler.means.items()},
            "vars": {k: float(v).hex() for k, v in self.scaler.vars.items()},
            "weights": {k: float(v).hex() for k, v in self.model.weights.items()},
            "intercept": float(self.model.intercept).hex(),
        }
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
