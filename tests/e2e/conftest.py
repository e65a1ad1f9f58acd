"""Modules beside the tests, which also run as programs of their own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
