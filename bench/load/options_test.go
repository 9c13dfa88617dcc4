package main

import (
	"io"
	"strings"
	"testing"
)

func TestOptionsAreCompletedFromEachOther(t *testing.T) {
	for _, test := range []struct {
		arguments   string
		connections int
		status      string
	}{
		{"-in-flight 3", 3, "0"},
		{"-in-flight 64", 8, "0"},
		{"-in-flight 64 -connections 1", 1, "0"},
		{"-in-flight 64 -protocol http1", 64, "200"},
		{"-expect-status 16", 1, "16"},
	} {
		o, err := parseOptions(
			strings.Fields("-url http://localhost/a "+test.arguments), io.Discard)
		if err != nil {
			t.Errorf("%s: %v", test.arguments, err)
		}
		if o.connections != test.connections || o.expectStatus != test.status {
			t.Errorf("%s: %d connections and status %s, want %d and %s", test.arguments,
				o.connections, o.expectStatus, test.connections, test.status)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for arguments, want := range map[string]string{
		"":                                      "-url must be given",
		"-url ftp://host/":                      "-url must be given",
		"-url https://host/":                    "-ca and https",
		"-url http://h/ -ca a":                  "-ca and https",
		"-url https://h/ -ca a -protocol http1": "https needs -protocol grpc",
		"-url https://h/ -ca a -cert b":         "-cert and -key",
		"-url http://h/ -cert b -key c":         "-cert needs -ca",
		"-url http://h/ -authorization a -protocol http1": "-authorization needs",
		"-url http://h/ -server-pid -1":                   "-server-pid must not",
		"-url http://h/ extra":                            "unexpected argument",
		"-url http://h/ -protocol spdy":                   "-protocol must be",
		"-url http://h/ -order backwards":                 "-order must be",
		"-url http://h/ -in-flight 0":                     "-in-flight must be",
		"-url http://h/ -duration 0s":                     "-duration must be",
		"-url http://h/ -warmup -1s":                      "must not be negative",
		"-url http://h/ -timeout 1us":                     "-timeout must be",
		"-url http://h/ -procs 0":                         "-procs must be",
		"-url http://h/ -protocol http1 -connections 2":   "-connections must equal",
	} {
		_, err := parseOptions(strings.Fields(arguments), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one with %q", arguments, err, want)
		}
	}
}
