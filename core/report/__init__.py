"""Reports of comparisons: an HTML page, and node data for Model Explorer."""
