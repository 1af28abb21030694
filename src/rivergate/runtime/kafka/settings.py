"""The settings files of a broker that serves one machine."""

from __future__ import annotations

from dataclasses import dataclass

_SERVER = """\
# Written anew at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{front_listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{front_advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FRONT:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=log

# a topic exists because a topic file declares it
auto.create.topics.enable=false

# one node holds the only copy
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# few partitions and few threads: they cost start time and memory
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216

# nobody waits for members who never come
group.initial.rebalance.delay.ms=0

# Should a killed broker's session still be open, the next one is let in after 3 s instead of 9. Shorter, and a machine
# under load would have its only broker locked out.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A broker that takes leave of its controller has partitions without a leader while it goes on serving: a transaction that
# commits then loses its markers (see settle.py). Nobody else could lead them, so it just ends.
controlled.shutdown.enable=false

# a shard that sleeps for weeks keeps its transactional id; a producer that died is aborted soon after its timeout
transactional.id.expiration.ms=2147483647
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
"""

_CONTROLLER = """\
# Written anew before each broker on a log that has served already.
process.roles=controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
log.dirs=log
broker.session.timeout.ms=200
broker.heartbeat.interval.ms=50
"""

_LOG4J = """\
status = off
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = broker.log
appender.file.filePattern = broker.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss,SSS} %p %c{1} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


@dataclass(frozen=True, slots=True)
class Front:
    """A second way in, for clients that come through a proxy: the broker listens on `port` and tells whoever comes there
    that it is at `advertised`, the proxy's port.
    """

    port: int
    advertised: int


def server_properties(port: int, controller_port: int, front: Front | None = None) -> str:
    """Kafka's settings: one node, loopback only, the log in `log` below the working directory."""
    return _SERVER.format(
        port=port,
        controller_port=controller_port,
        front_listener=f",FRONT://127.0.0.1:{front.port}" if front else "",
        front_advertised=f",FRONT://127.0.0.1:{front.advertised}" if front else "",
    )


def controller_properties(controller_port: int) -> str:
    """Settings of the controller alone, on the same log, for which no broker is there any more."""
    return _CONTROLLER.format(controller_port=controller_port)


def log4j_properties(debug: str | None = None) -> str:
    """Log4j's settings: everything to `broker.log` below the working directory, at most 40 MB of it. `debug` names a class
    whose debug lines are wanted too.
    """
    return _LOG4J if debug is None else f"{_LOG4J}logger.debug.name = {debug}\nlogger.debug.level = debug\n"


def java_options(heap_mb: int, temporary: str) -> tuple[str, ...]:
    """Options of every Java process of ours: small, and silent on the terminal."""
    return (
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Djava.io.tmpdir={temporary}",
        "-Djava.awt.headless=true",
        "-Dlog4j2.configurationFile=log4j2.properties",
    )
