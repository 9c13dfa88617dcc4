package options

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// The rules for retries of both clients.
const (
	MaxAttempts       = 3
	initialBackoff    = 50 * time.Millisecond
	maxBackoff        = time.Second
	backoffMultiplier = 2
)

const service = "sessiond.v1.SessionService"

// Idempotent are the methods that can be called again when it is not known whether they were
// carried out. The contract says so for each.
var Idempotent = []string{
	"Validate", "ValidateCsrf", "Touch", "Revoke", "RevokeAllForActor", "Get", "List",
	"ListSessions", "RevokeSessions", "ListSigningKeys", "ListTokenKeys", "ListAuditEvents",
	"GarbageCollect",
}

var idempotentProcedures = func() map[string]bool {
	procedures := map[string]bool{}
	for _, method := range Idempotent {
		procedures["/"+service+"/"+method] = true
	}
	return procedures
}()

// Retryable tells whether a call of the procedure, such as /sessiond.v1.SessionService/Get, that
// failed with the code may be made again.
func Retryable(procedure string, code codes.Code) bool {
	return idempotentProcedures[procedure] && RetryableCode(code)
}

// RetryableCode tells whether the code is that of an outage or an overload.
func RetryableCode(code codes.Code) bool {
	return code == codes.Unavailable || code == codes.ResourceExhausted
}

// Backoff returns the wait after an attempt, which are counted from 1, if the server asked for none.
func Backoff(attempt int) time.Duration {
	wait := initialBackoff
	for range attempt - 1 {
		wait = min(wait*backoffMultiplier, maxBackoff)
	}
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
}

// ServiceConfig returns the gRPC service config.
func ServiceConfig(retry bool) string {
	const balancing = `"loadBalancingConfig": [{"round_robin": {}}]`
	if !retry {
		return "{" + balancing + "}"
	}
	names := make([]string, len(Idempotent))
	for i, method := range Idempotent {
		names[i] = fmt.Sprintf(`{"service": %q, "method": %q}`, service, method)
	}
	return fmt.Sprintf(`{
		%s,
		"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
		"methodConfig": [{
			"name": [%s],
			"retryPolicy": {
				"maxAttempts": %d,
				"initialBackoff": "%gs",
				"maxBackoff": "%gs",
				"backoffMultiplier": %d,
				"retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
			}
		}]
	}`, balancing, strings.Join(names, ", "),
		MaxAttempts, initialBackoff.Seconds(), maxBackoff.Seconds(), backoffMultiplier)
}
