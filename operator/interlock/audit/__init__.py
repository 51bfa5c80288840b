"""Records that prove themselves, and the log that proves none is missing.

`records` signs and checks what the controller writes (AgentRevision, GateDecision, AgentTransition
with its end and health); `chain` is the hash-chained file; `follower` brings each record into it;
`verify` tells an auditor, offline, whether anything in it was touched. No disk stands in the way of
a rollback: the log follows the records, not the reverse.
"""
