"""Policy files: read, checked as a whole, compiled for each kind of proposal."""
