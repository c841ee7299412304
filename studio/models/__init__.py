"""Base models: the catalogue, the starter model, fetching from a hub or a folder."""
