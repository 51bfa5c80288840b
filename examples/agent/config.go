package main

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"time"
)

// Config is everything that the agent is told by its environment; README.md lists it.
type Config struct {
	Port     int
	Version  string
	Agent    string
	Revision string
	Pod      string
	Models   string        // the folder under which the one model is mounted
	Fault    string        // as faults.go reads it
	QueueURL string        // empty: the agent only answers requests
	Work     time.Duration // how long one item of the queue takes
	Linger   time.Duration // after SIGTERM: still answers those whose route is not yet gone
	Grace    time.Duration // after SIGTERM: ends within this, whoever is still served
}

// A revision's name ends in ten hex digits; what the Deployment adds may be cut short, because
// host names end at 63 characters.
var podOfRevision = regexp.MustCompile(`^((.+)-[0-9a-f]{10})-[a-z0-9-]+$`)

// readConfig reads the environment, or says which variable is wrong and how.
func readConfig() (Config, error) {
	pod := os.Getenv("POD_NAME")
	if pod == "" {
		pod, _ = os.Hostname()
	}
	agent, revision := identity(pod)
	config := Config{
		Version:  or(os.Getenv("AGENT_VERSION"), "unknown"),
		Agent:    agent,
		Revision: revision,
		Pod:      pod,
		Models:   or(os.Getenv("MODELS"), "/models"),
		Fault:    os.Getenv("AGENT_FAULT"),
		QueueURL: os.Getenv("QUEUE_URL"),
	}
	var err error
	if config.Port, err = strconv.Atoi(or(os.Getenv("PORT"), "8080")); err != nil ||
		config.Port < 1 || config.Port > 65535 {
		return config, fmt.Errorf("PORT is %q, expected 1 to 65535", os.Getenv("PORT"))
	}
	if where, err := url.Parse(config.QueueURL); config.QueueURL != "" &&
		(err != nil || where.Scheme != "http" || where.Host == "" || where.User != nil) {
		return config, fmt.Errorf("QUEUE_URL is not http://HOST:PORT[/PATH], without a user")
	}
	for name, into := range map[string]struct {
		value    *time.Duration
		fallback string
	}{
		"WORK":   {&config.Work, "50ms"},
		"LINGER": {&config.Linger, "1s"},
		"GRACE":  {&config.Grace, "10s"},
	} {
		if *into.value, err = duration(or(os.Getenv(name), into.fallback)); err != nil {
			return config, fmt.Errorf("%s is %w", name, err)
		}
	}
	return config, nil
}

// identity is whom the operator says we are, else whom the pod's name says we are.
func identity(pod string) (agent, revision string) {
	agent, digest := os.Getenv("INTERLOCK_AGENT"), os.Getenv("INTERLOCK_REVISION")
	if agent != "" && digest != "" {
		return agent, agent + "-" + digest
	}
	if parts := podOfRevision.FindStringSubmatch(pod); parts != nil {
		return parts[2], parts[1]
	}
	return "unknown", "unknown"
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// duration reads what Go writes, like 50ms or 2s, from nothing to an hour.
func duration(text string) (time.Duration, error) {
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 || value > time.Hour {
		return 0, fmt.Errorf("%q, expected a duration from 0s to 1h, like 50ms or 2s", text)
	}
	return value, nil
}
