"""Resolve jgo.toml anew and write kafka.lock.toml beside it: `python -m rivergate.runtime.kafka.relock`.

For maintainers who move to another version of Kafka. It is the one place that reads Maven's POM files: an install
fetches what the lock names and nothing else.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rivergate.runtime.kafka.lock import Jar, Lock, render_lock


def relock(spec: Path) -> Lock:
    """Resolve the coordinates in `spec`, download every jar and take its size and digest.

    Kafka's own jars come first on the class path, the rest in order of name.
    """
    from jgo.maven import Artifact, MavenContext

    coordinates = tomllib.loads(spec.read_text(encoding="utf-8"))["dependencies"]["coordinates"]
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        inputs, transitive = context.resolver.resolve([context.create_dependency(each) for each in coordinates])

        def lock_one(artifact: Artifact) -> Jar:
            content = artifact.resolve().read_bytes()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            return Jar(coordinate, len(content), hashlib.sha256(content).hexdigest())

        with ThreadPoolExecutor(8) as pool:
            jars = list(pool.map(lock_one, [dependency.artifact for dependency in (*inputs, *transitive)]))
    jars.sort(key=lambda jar: (not jar.coordinate.startswith("org.apache.kafka:"), jar.coordinate))
    return Lock(coordinates[0].split(":")[2], tuple(jars))


def main() -> None:
    """Write the lock file."""
    here = Path(__file__).parent
    lock = relock(here / "jgo.toml")
    (here / "kafka.lock.toml").write_text(render_lock(lock), encoding="utf-8")


if __name__ == "__main__":
    main()
