package sessiond

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Error is a failed call. The clients of this module return it, so errors.As finds it; [ErrorFrom]
// makes it of any other error, such as that of a client that was not made by this module.
type Error struct {
	// Code is the gRPC code, whatever the protocol was.
	Code codes.Code
	// Reason is sessiond's reason, such as [ReasonRevoked], or [ReasonUnspecified] if the failure is
	// not sessiond's own. A newer server can send a reason that has no name here.
	Reason sessiondv1.ErrorReason
	// HTTPStatus is what sessiond recommends to send to a browser, or 0 without a reason.
	// BrowserStatus is what to send.
	HTTPStatus int
	// Message is for developers. It has no credential. If the failure is not sessiond's own, it can
	// contain addresses and must not be shown to users.
	Message string
	// Violations are the request fields that were wrong, with ReasonInvalidRequest.
	Violations []Violation
	// RetryDelay is how long to wait before the next attempt, or 0 if the server did not say.
	RetryDelay time.Duration
	// SessionLimit has the limit and the actor's oldest sessions, to choose one to end, with
	// ReasonSessionLimitReached; otherwise nil.
	SessionLimit *sessiondv1.SessionLimitDetail

	cause error
}

// Violation is a field of a request that was wrong.
type Violation struct {
	// Field is its path, such as `actor.actor_id`.
	Field string
	// Description says what would be right.
	Description string
}

// ErrorFrom returns the *Error of an error of gRPC or Connect. An error of neither has the code
// UNKNOWN, or that of the context's error which it is. ErrorFrom(nil) is nil.
func ErrorFrom(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*connect.Error](err); ok {
		return fromConnect(err, e)
	}
	// status.FromError would put the text of errors around the status into its message.
	if e, ok := errors.AsType[grpcError](err); ok {
		s := e.GRPCStatus()
		return newError(err, s.Code(), s.Message(), s.Proto().GetDetails())
	}
	code := codes.Unknown
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	}
	return newError(err, code, err.Error(), nil)
}

type grpcError interface {
	error
	GRPCStatus() *status.Status
}

func fromConnect(err error, e *connect.Error) *Error {
	details := make([]*anypb.Any, 0, len(e.Details()))
	for _, detail := range e.Details() {
		details = append(details, &anypb.Any{TypeUrl: "type.googleapis.com/" + detail.Type(), Value: detail.Bytes()})
	}
	return newError(err, codes.Code(e.Code()), e.Message(), details)
}

// newError skips details that cannot be decoded.
func newError(cause error, code codes.Code, message string, details []*anypb.Any) *Error {
	e := &Error{Code: code, Message: message, cause: cause}
	for _, detail := range details {
		var own sessiondv1.ErrorDetail
		var badRequest errdetails.BadRequest
		var retryInfo errdetails.RetryInfo
		var sessionLimit sessiondv1.SessionLimitDetail
		switch {
		case decode(detail, &own):
			e.Reason, e.HTTPStatus = own.GetReason(), int(own.GetHttpStatus())
		case decode(detail, &badRequest):
			for _, v := range badRequest.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{v.GetField(), v.GetDescription()})
			}
		case decode(detail, &retryInfo):
			e.RetryDelay = max(0, retryInfo.GetRetryDelay().AsDuration())
		case decode(detail, &sessionLimit):
			e.SessionLimit = &sessionLimit
		}
	}
	return e
}

func decode(detail *anypb.Any, message proto.Message) bool {
	return detail.MessageIs(message) && detail.UnmarshalTo(message) == nil
}

// Error has the reason, the message and the code.
func (e *Error) Error() string {
	if e.Reason == ReasonUnspecified {
		return fmt.Sprintf("sessiond: %s (%s)", e.Message, e.Code)
	}
	return fmt.Sprintf("sessiond: %s: %s (%s)", e.ReasonName(), e.Message, e.Code)
}

// Unwrap returns the error of gRPC or Connect.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus makes status.Code and status.FromError work.
func (e *Error) GRPCStatus() *status.Status {
	if cause, ok := errors.AsType[grpcError](e.cause); ok {
		return cause.GRPCStatus()
	}
	return status.New(e.Code, e.Message)
}

// ReasonName returns the reason without prefix, such as REVOKED; the number of a reason that is not
// known here; or "" without a reason.
func (e *Error) ReasonName() string {
	if e.Reason == ReasonUnspecified {
		return ""
	}
	return strings.TrimPrefix(e.Reason.String(), "ERROR_REASON_")
}

// BrowserStatus returns the HTTP status to send to a browser. A mistake of the backend is 500, so
// that it never looks like one of the user. What sessiond has not decided is 503: an outage is never
// a logout.
func (e *Error) BrowserStatus() int {
	switch e.Reason {
	case ReasonUnspecified:
		return http.StatusServiceUnavailable
	case ReasonCallerUnauthenticated, ReasonCallerForbidden, ReasonInvalidRequest, ReasonSessionNotFound:
		return http.StatusInternalServerError
	}
	if e.HTTPStatus < 400 || e.HTTPStatus > 599 {
		return http.StatusServiceUnavailable
	}
	return e.HTTPStatus
}

// RetryAfterSeconds returns the value of a Retry-After header, at least 1.
func (e *Error) RetryAfterSeconds() int {
	return max(1, int(math.Ceil(e.RetryDelay.Seconds())))
}

// IsReason tells whether the error has one of the reasons, or any reason if none is given.
func IsReason(err error, reasons ...sessiondv1.ErrorReason) bool {
	e := ErrorFrom(err)
	if e == nil || e.Reason == ReasonUnspecified {
		return false
	}
	return len(reasons) == 0 || slices.Contains(reasons, e.Reason)
}

// The reasons of the contract, which documents each.
const (
	ReasonUnspecified                 = sessiondv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	ReasonInvalidCookie               = sessiondv1.ErrorReason_ERROR_REASON_INVALID_COOKIE
	ReasonExpiredIdle                 = sessiondv1.ErrorReason_ERROR_REASON_EXPIRED_IDLE
	ReasonExpiredAbsolute             = sessiondv1.ErrorReason_ERROR_REASON_EXPIRED_ABSOLUTE
	ReasonRevoked                     = sessiondv1.ErrorReason_ERROR_REASON_REVOKED
	ReasonSigningKeyNotFound          = sessiondv1.ErrorReason_ERROR_REASON_SIGNING_KEY_NOT_FOUND
	ReasonSigningKeyRetired           = sessiondv1.ErrorReason_ERROR_REASON_SIGNING_KEY_RETIRED
	ReasonIPMismatch                  = sessiondv1.ErrorReason_ERROR_REASON_IP_MISMATCH
	ReasonUserAgentMismatch           = sessiondv1.ErrorReason_ERROR_REASON_USER_AGENT_MISMATCH
	ReasonPreLoginNotAccepted         = sessiondv1.ErrorReason_ERROR_REASON_PRE_LOGIN_NOT_ACCEPTED
	ReasonCSRFMissing                 = sessiondv1.ErrorReason_ERROR_REASON_CSRF_MISSING
	ReasonCSRFMismatch                = sessiondv1.ErrorReason_ERROR_REASON_CSRF_MISMATCH
	ReasonSessionNotFound             = sessiondv1.ErrorReason_ERROR_REASON_SESSION_NOT_FOUND
	ReasonInvalidRequest              = sessiondv1.ErrorReason_ERROR_REASON_INVALID_REQUEST
	ReasonSessionLimitReached         = sessiondv1.ErrorReason_ERROR_REASON_SESSION_LIMIT_REACHED
	ReasonCallerUnauthenticated       = sessiondv1.ErrorReason_ERROR_REASON_CALLER_UNAUTHENTICATED
	ReasonCallerForbidden             = sessiondv1.ErrorReason_ERROR_REASON_CALLER_FORBIDDEN
	ReasonStorageUnavailable          = sessiondv1.ErrorReason_ERROR_REASON_STORAGE_UNAVAILABLE
	ReasonOverloaded                  = sessiondv1.ErrorReason_ERROR_REASON_OVERLOADED
	ReasonInitialSigningKeyMintFailed = sessiondv1.ErrorReason_ERROR_REASON_INITIAL_SIGNING_KEY_MINT_FAILED
	ReasonRequestTooLarge             = sessiondv1.ErrorReason_ERROR_REASON_REQUEST_TOO_LARGE
	ReasonStepUpRequired              = sessiondv1.ErrorReason_ERROR_REASON_STEP_UP_REQUIRED
	ReasonMetadataETagMismatch        = sessiondv1.ErrorReason_ERROR_REASON_METADATA_ETAG_MISMATCH
	ReasonCallerKeysUnavailable       = sessiondv1.ErrorReason_ERROR_REASON_CALLER_KEYS_UNAVAILABLE
	ReasonActorTypeNotAccepted        = sessiondv1.ErrorReason_ERROR_REASON_ACTOR_TYPE_NOT_ACCEPTED
)
