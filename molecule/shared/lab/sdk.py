# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
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
