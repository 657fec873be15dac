"""Docker's SDK, which comes without types: what the lab uses of it, in one place."""

from __future__ import annotations

import importlib
from typing import Any

docker: Any = importlib.import_module("docker")
types: Any = importlib.import_module("docker.types")
_errors: Any = importlib.import_module("docker.errors")

APIError: type[Any] = _errors.APIError
DockerException: type[Exception] = _errors.DockerException
ImageNotFound: type[Exception] = _errors.ImageNotFound
NotFound: type[Exception] = _errors.NotFound
