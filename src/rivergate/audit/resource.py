"""What a process says of itself on its spans: OpenTelemetry's resource attributes."""

from __future__ import annotations


def resource_of(app: str, stage: str, instance: str) -> dict[str, str]:
    """Attributes for `SpanEncoder`: service, instance, SDK, and what `OTEL_RESOURCE_ATTRIBUTES` adds.

    `instance` names the worker.
    """
    from opentelemetry.sdk.resources import Resource

    found = Resource.create(
        {
            "service.namespace": app,
            "service.name": f"{app}.{stage}",
            "service.instance.id": instance,
        }
    )
    return {key: str(value) for key, value in found.attributes.items() if value is not None}
