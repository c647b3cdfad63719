"""One detector: a backbone and a fitted method, from images to scores; saved and loaded."""
