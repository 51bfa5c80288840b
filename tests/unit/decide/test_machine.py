"""The same moves and laws as the walker's, chosen and shortened by hypothesis."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from support.events import MOVES
from support.walker import Move, Walk, begin

AGENTS = st.integers(0, 2)
CHOICES = st.integers(0, 1 << 16)


class Town(RuleBasedStateMachine):
    """One town on its way; a law that is broken raises."""

    going: Walk

    @initialize(seed=st.integers(0, 23))
    def begin(self, seed: int) -> None:
        self.going = begin(seed)

    @rule(agent=AGENTS, times=st.integers(1, 12))
    def steps(self, agent: int, times: int) -> None:
        for _ in range(times):
            self.going.make(Move("step", agent, 0))

    @rule(word=st.sampled_from(sorted(MOVES)), agent=AGENTS, choice=CHOICES)
    def happens(self, word: str, agent: int, choice: int) -> None:
        self.going.make(Move(word, agent, choice))

    def teardown(self) -> None:
        if hasattr(self, "going"):
            self.going.come_to_rest()


TestTown = Town.TestCase
TestTown.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
