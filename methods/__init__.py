"""What is compared: methods by their public names; they know nothing but tensors."""

from methods.registry import MethodNameError, create, names, problems, resolve, split

__all__ = ["MethodNameError", "create", "names", "problems", "resolve", "split"]
