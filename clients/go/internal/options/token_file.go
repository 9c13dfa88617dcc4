package options

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// reusedFor is how long a token that was read is used. An issuer renews a file long before its token
// expires.
const reusedFor = time.Second

// TokenFile is a file with a token, which is read again in time. It is safe for concurrent use.
type TokenFile struct {
	Path string

	mu     sync.Mutex
	token  string
	readAt time.Time
}

// Token returns the token without the space around it. Its errors name the file, but not the content.
func (f *TokenFile) Token() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token != "" && time.Since(f.readAt) < reusedFor {
		return f.token, nil
	}
	f.token = ""
	content, err := os.ReadFile(f.Path)
	if err != nil {
		return "", fmt.Errorf("the token file cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(content))
	switch {
	case token == "":
		return "", fmt.Errorf("the token file %s is empty", f.Path)
	case !isVisibleASCII(token):
		return "", fmt.Errorf("the token file %s must have nothing but one token of visible ASCII", f.Path)
	}
	f.token, f.readAt = token, time.Now()
	return token, nil
}
