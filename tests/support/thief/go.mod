module interlock.dev/tests/thief

go 1.26
