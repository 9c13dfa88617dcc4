// Package sessiondtest starts a real sessiond for tests, with a temporary PostgreSQL of its own.
package sessiondtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sessiond "github.com/sessiond/sessiond/clients/go"
)

const (
	startTimeout  = 60 * time.Second
	stopTimeout   = 30 * time.Second
	clientTimeout = 30 * time.Second
)

// Server is a running sessiond.
type Server struct {
	// URL is its address, such as `http://127.0.0.1:40123`.
	URL string
	// Client is connected to it. Its timeout is 30 s: a test machine can be slow.
	Client *sessiond.Client
	stop   func() error
}

type config struct {
	command  []string
	settings []string
}

// Option changes how sessiond is started.
type Option func(*config)

// WithCommand sets the program and its arguments that start sessiond. The default is the environment
// variable SESSIOND_COMMAND, split at spaces, or else `npx --no sessiond`.
func WithCommand(program string, arguments ...string) Option {
	return func(c *config) { c.command = append([]string{program}, arguments...) }
}

// WithSetting sets an environment variable of sessiond, such as SESSIOND_IDLE_TIMEOUT. Besides these,
// sessiond only gets PATH and HOME.
func WithSetting(name, value string) Option {
	return func(c *config) { c.settings = append(c.settings, name+"="+value) }
}

// WithCookieSecure sets SESSIOND_COOKIE_SECURE. With false, the cookies are called `session` and `csrf`
// and also work over plain HTTP.
func WithCookieSecure(secure bool) Option {
	return WithSetting("SESSIOND_COOKIE_SECURE", fmt.Sprint(secure))
}

// New starts sessiond and stops it when the test and its subtests have ended. It fails the test if
// sessiond does not start within a minute.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	server, err := Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Start starts sessiond, for TestMain. The caller must call Stop. If sessiond does not start within a
// minute, the error has what it printed.
func Start(opts ...Option) (*Server, error) {
	c := config{command: strings.Fields(os.Getenv("SESSIOND_COMMAND"))}
	if len(c.command) == 0 {
		c.command = []string{"npx", "--no", "sessiond"}
	}
	for _, opt := range opts {
		opt(&c)
	}
	directory, err := os.MkdirTemp("", "sessiond-")
	if err != nil {
		return nil, err
	}
	server, err := start(c, directory)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	return server, nil
}

// Stop ends sessiond and its PostgreSQL, waits for both, and removes their data. Further calls do
// nothing.
func (s *Server) Stop() error { return s.stop() }

func start(c config, directory string) (*Server, error) {
	// PostgreSQL does not run as root, so another user must be able to reach its data.
	if err := os.Chmod(directory, 0o755); err != nil {
		return nil, err
	}
	command := exec.Command(c.command[0], c.command[1:]...)
	command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"SESSIOND_PORT=0",
		"SESSIOND_DATA_DIR=" + filepath.Join(directory, "data"),
	}, c.settings...)
	var stderr tail
	command.Stderr = &stderr
	// Wait then also waits until a program that the command started has closed its output.
	stdout, stdoutWriter := io.Pipe()
	command.Stdout = stdoutWriter
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("sessiondtest: cannot start %q: %w", strings.Join(c.command, " "), err)
	}
	ended := make(chan struct{})
	go func() {
		// How it ended is seen in what it printed.
		_ = command.Wait()
		_ = stdoutWriter.Close()
		close(ended)
	}()
	stop := func() error { return stopProcess(command, ended) }

	select {
	case url := <-readURL(stdout):
		if url != "" {
			return serve(url, stop, directory)
		}
		<-ended
		return nil, fmt.Errorf("sessiondtest: %q ended before it listened:\n%s", strings.Join(c.command, " "), stderr.String())
	case <-time.After(startTimeout):
		return nil, errors.Join(
			fmt.Errorf("sessiondtest: sessiond does not listen after %s:\n%s", startTimeout, stderr.String()), stop())
	}
}

func serve(url string, stop func() error, directory string) (*Server, error) {
	client, err := sessiond.Connect(url, sessiond.WithTimeout(clientTimeout))
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &Server{url, client, sync.OnceValue(func() error {
		return errors.Join(client.Close(), stop(), os.RemoveAll(directory))
	})}, nil
}

func stopProcess(command *exec.Cmd, ended <-chan struct{}) error {
	// It may have ended by itself.
	_ = command.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(
			fmt.Errorf("sessiondtest: sessiond did not stop within %s and was killed", stopTimeout),
			command.Process.Kill())
	}
}

var listens = regexp.MustCompile(`listens on (https?://\S+)`)

// readURL sends the URL that sessiond prints, or "" if its output ends. It reads on until the end.
func readURL(output io.Reader) <-chan string {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewReader(output)
		for {
			line, err := lines.ReadString('\n')
			if match := listens.FindStringSubmatch(line); match != nil {
				found <- match[1]
				_, _ = io.Copy(io.Discard, lines)
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return found
}

// tail keeps the last of what is written to it.
type tail struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

const tailBytes = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes.Write(p)
	if excess := t.bytes.Len() - tailBytes; excess > 0 {
		t.bytes.Next(excess)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes.String()
}
