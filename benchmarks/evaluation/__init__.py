"""One cell: a method fitted and scored on a category, and measured."""
