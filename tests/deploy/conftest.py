"""nginx before what it is to hide, and the files of an operator as values."""

from .nginx import start_nginx
from .upstream import start_upstream

__all__ = ["start_nginx", "start_upstream"]
