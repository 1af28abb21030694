"""Chaos: rounds of strikes against an app on a real Kafka, each judged from its topics alone.

`make chaos ROUNDS=N SEED=S`, or `python -m tests.chaos --rounds N --seed S --faults … --hosts local,ray --json`. The last
thing on stdout is one JSON object (`summary.py`); the exit code is 1 if anything was found. A round that failed prints
its seed, what struck when, and the command that repeats it, and keeps its topics and data directory. What is drawn
follows from the seed; when exactly a strike meets a process doesn't, so a rare finding may need several repeats.

The world (`cluster.py`, `app/`, `running_app.py`)
    One Apache Kafka for all rounds, started by the harness, and a proxy before it through which the app goes; the
    harness's own clients go past it. Each round runs an app of its own name as `rivergate up` does: four shards with a
    River model in two workers, the gate, effects, the review service, the supervisor. Its events wish for proposals that
    are allowed, reviewed or denied; a script answers the reviews. Effectors make each of the three promises (idempotent,
    reconcilable, neither); their target keeps a ledger of its own, and the script settles unknown outcomes by it.
The plan and the strikes (`plan.py`, `strikes/`)
    A seeded plan draws faults by family: signals, supervisors, zombies, crashes between any two steps of a commit,
    single requests of the commit protocol (proxy), the broker, committed offsets, moves of shards. A strike returns once
    the harness has done its part; it never waits until all is well, so strikes meet recoveries.
What runs inside the app (`inside/`)
    A `sitecustomize` on the PYTHONPATH of the app's processes arms crash hooks, aborts, and planted faults by files in
    the data directory. Nothing in `src` knows of it.
The end of a round (`playing.py`, `progress.py`)
    Once all is fed and struck, a concurrent reader has to see everything that began come to its end. Then every shard is
    asked what it has learnt, the app drains, and the checks begin.
The checks (`checks/`)
    They share nothing with the kernel. Inputs = what was processed, each once; order by key; two concurrent
    `read_committed` readers saw what the final reader sees; an offline sequential run over the recorded order reaches
    the digests that the live models told; the target's ledger has each action once, never before its intent, whatever
    its effector promises, and unknown is the outcome of none that could be asked for; and the whole wire contract by `tests.checker`: one verdict, action and final outcome each, journals without a gap, chains,
    spans of every verdict and of no aborted attempt. `planted.py` shows each of them red.
Recovery (`recovery.py`)
    From the strike to the next commit of another owner on the shard that was struck, by the broker's clock. Shards that
    had nothing to do then aren't counted.
"""
