module interlock.dev/examples/agent

go 1.26
