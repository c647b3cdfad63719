"""What is compared: methods by their public names; they know nothing but tensors."""

from methods.base import Features
from methods.registry import MethodNameError, create, names, problems, resolve, split

__all__ = ["Features", "MethodNameError", "create", "names", "problems", "resolve", "split"]
