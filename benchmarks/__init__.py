"""How methods are compared: data, features, metrics, cells, and what people look at."""
