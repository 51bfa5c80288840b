"""What the benchmarks share: fleets of agents and of the peer's rollouts, clocks, and the report.

The verifier's double and the controller as a process come from the tests, so that both measure
and test the same thing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
