"""What of chaos runs inside the app's own processes; its orders come as files in the app's data directory."""
