module interlock.dev/sandbox/pause

go 1.26
