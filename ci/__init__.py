"""What CI and newcomers run."""
