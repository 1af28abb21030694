"""An app whose only agent is a graph: alarms in, restarts proposed."""
