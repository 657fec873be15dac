"""Two pages in Flask."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> str:
    """Greet."""
    return f"Hello from {os.uname().nodename}\n"


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    """Tell that it works."""
    return {"ok": True}
