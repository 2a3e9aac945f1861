"""Storage in SQL databases."""
