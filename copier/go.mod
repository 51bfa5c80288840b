module interlock.dev/copier

go 1.26
