"""Rows, formats, rendering, datasets."""
