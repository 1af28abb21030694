"""What of chaos runs inside the app's own processes; its orders come as files in the app's data directory."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
"""Has to be on the PYTHONPATH of the app's processes."""
