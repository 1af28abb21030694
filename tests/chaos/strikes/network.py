"""Single requests of the commit protocol, struck on their way to the broker.

`hold` is the hazard of Kafka's older transaction protocol, made on purpose: the client asks again over a new connection
and goes on, and the request of then reaches the broker while a later transaction is open. `meet` doesn't leave it to
chance: the request reaches the broker in the midst of the next transaction's records.
"""

from __future__ import annotations

from functools import partial

from tests.chaos.proxy import ADD_OFFSETS, CUT, DELAY, END_TXN, HOLD, MEET, MUTE, TXN_OFFSETS, Rule
from tests.chaos.strikes.arena import SHORT, Arena, Fault

STRUCK_S = 4.0
KEYS = {"EndTxn": END_TXN, "AddOffsetsToTxn": ADD_OFFSETS, "TxnOffsetCommit": TXN_OFFSETS}
MEETS_WITHIN_S = 5.0
LONGEST_S = {DELAY: 3.0, HOLD: 1.5}
TIMES = {HOLD: 4}


def _strike(do: str, api: str, arena: Arena, fault: str) -> None:
    app = arena.app.name
    stage = SHORT[arena.draw.choice(sorted(SHORT))]
    for _ in range(arena.draw.randint(1, TIMES.get(do, 2))):
        seconds = arena.draw.uniform(0.005, LONGEST_S.get(do, 0.0)) if do in LONGEST_S else 0.0
        if do == HOLD and arena.draw.random() < 0.5:
            seconds = arena.draw.uniform(0.001, 0.08)  # soon enough to meet the next transaction while it is open
        if do == MEET:
            seconds = MEETS_WITHIN_S
        rule = Rule(fault, do, KEYS[api], f"{app}.{stage}.", round(seconds, 4))
        if not arena.cluster.proxy.strike(rule, STRUCK_S):
            arena.notes.append(f"{fault}: {stage} sent no {api} within {STRUCK_S:.0f} s")


FAULTS: dict[str, Fault] = {f"{do}-{api}": partial(_strike, do, api) for do in (DELAY, CUT, MUTE, HOLD) for api in KEYS}
FAULTS["meet-EndTxn"] = partial(_strike, MEET, "EndTxn")
