"""The test suite; `make test` runs all of it, `.venv/bin/pytest tests/NAME` a part."""
