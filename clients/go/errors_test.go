package sessiond_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// flavours make the same failure as gRPC and as Connect report it.
var flavours = map[string]func(t testing.TB, code codes.Code, message string, details ...proto.Message) error{
	"grpc": func(t testing.TB, code codes.Code, message string, details ...proto.Message) error {
		s := status.New(code, message)
		for _, detail := range details {
			var err error
			if s, err = s.WithDetails(protoadapt.MessageV1Of(detail)); err != nil {
				t.Fatal(err)
			}
		}
		return s.Err()
	},
	"connect": func(t testing.TB, code codes.Code, message string, details ...proto.Message) error {
		e := connect.NewError(connect.Code(code), errors.New(message))
		for _, detail := range details {
			d, err := connect.NewErrorDetail(detail)
			if err != nil {
				t.Fatal(err)
			}
			e.AddDetail(d)
		}
		return e
	},
}

func detail(reason sessiondv1.ErrorReason, httpStatus uint32) *sessiondv1.ErrorDetail {
	return &sessiondv1.ErrorDetail{Reason: reason, HttpStatus: httpStatus}
}

func TestErrorDetails(t *testing.T) {
	for name, failure := range flavours {
		t.Run(name, func(t *testing.T) {
			cause := failure(t, codes.InvalidArgument, "a is wrong", detail(sessiond.ReasonInvalidRequest, 400),
				&errdetails.ErrorInfo{Reason: "INVALID_REQUEST"},
				&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
					{Field: "a", Description: "a is wrong"}, {Field: "b", Description: "b too"},
				}},
				&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
			e := sessiond.ErrorFrom(fmt.Errorf("while doing something: %w", cause))
			if e.Code != codes.InvalidArgument || e.Reason != sessiond.ReasonInvalidRequest || e.HTTPStatus != 400 ||
				e.Message != "a is wrong" || e.RetryDelay != 1500*time.Millisecond || e.RetryAfterSeconds() != 2 {
				t.Errorf("got %+v", e)
			}
			if want := []sessiond.Violation{{"a", "a is wrong"}, {"b", "b too"}}; !reflect.DeepEqual(e.Violations, want) {
				t.Errorf("violations %v", e.Violations)
			}
			if e.Error() != "sessiond: INVALID_REQUEST: a is wrong (InvalidArgument)" {
				t.Error(e.Error())
			}
			if status.Code(e) != codes.InvalidArgument || !errors.Is(e, cause) {
				t.Error("the cause is lost")
			}
			wrapped := fmt.Errorf("again: %w", e)
			if sessiond.ErrorFrom(wrapped) != e {
				t.Error("an *Error is converted again")
			}
			if found, ok := errors.AsType[*sessiond.Error](wrapped); !ok || found != e {
				t.Error("errors.As does not find it")
			}
		})
	}
}

func TestSessionLimit(t *testing.T) {
	want := &sessiondv1.SessionLimitDetail{Limit: 2, Total: 3, Sessions: []*sessiondv1.CompetingSession{
		{Id: "ses-1", AppType: "phone", IpAddress: "192.0.2.1", UserAgent: "Browser/1"}, {Id: "ses-2"},
	}}
	for name, failure := range flavours {
		reached := failure(t, codes.FailedPrecondition, "too many", detail(sessiond.ReasonSessionLimitReached, 409), want)
		if got := sessiond.ErrorFrom(reached).SessionLimit; !proto.Equal(got, want) {
			t.Errorf("%s: got %v", name, got)
		}
		if got := sessiond.ErrorFrom(failure(t, codes.Unauthenticated, "", detail(sessiond.ReasonRevoked, 401))).SessionLimit; got != nil {
			t.Errorf("%s: another error has %v", name, got)
		}
	}
}

func TestBrowserStatus(t *testing.T) {
	const unknown = sessiondv1.ErrorReason(4711)
	for _, test := range []struct {
		name    string
		code    codes.Code
		details []proto.Message
		want    int
	}{
		{"revoked", codes.Unauthenticated, []proto.Message{detail(sessiond.ReasonRevoked, 401)}, 401},
		{"CSRF", codes.PermissionDenied, []proto.Message{detail(sessiond.ReasonCSRFMissing, 403)}, 403},
		{"limit", codes.FailedPrecondition, []proto.Message{detail(sessiond.ReasonSessionLimitReached, 409)}, 409},
		{"overloaded", codes.ResourceExhausted, []proto.Message{detail(sessiond.ReasonOverloaded, 429)}, 429},
		{"too large", codes.InvalidArgument, []proto.Message{detail(sessiond.ReasonRequestTooLarge, 413)}, 413},
		{"storage", codes.Unavailable, []proto.Message{detail(sessiond.ReasonStorageUnavailable, 503)}, 503},
		{"caller without credentials", codes.Unauthenticated, []proto.Message{detail(sessiond.ReasonCallerUnauthenticated, 401)}, 500},
		{"caller not allowed", codes.PermissionDenied, []proto.Message{detail(sessiond.ReasonCallerForbidden, 403)}, 500},
		{"wrong request", codes.InvalidArgument, []proto.Message{detail(sessiond.ReasonInvalidRequest, 400)}, 500},
		{"wrong id", codes.NotFound, []proto.Message{detail(sessiond.ReasonSessionNotFound, 404)}, 500},
		{"new reason", codes.Unauthenticated, []proto.Message{detail(unknown, 418)}, 418},
		{"new reason with a strange status", codes.Unauthenticated, []proto.Message{detail(unknown, 200)}, 503},
		{"new reason with a huge status", codes.Unauthenticated, []proto.Message{detail(unknown, 1<<32-1)}, 503},
		{"no detail, UNAUTHENTICATED", codes.Unauthenticated, nil, 503},
		{"no detail, PERMISSION_DENIED", codes.PermissionDenied, nil, 503},
		{"no detail, UNAVAILABLE", codes.Unavailable, nil, 503},
		{"no detail, DEADLINE_EXCEEDED", codes.DeadlineExceeded, nil, 503},
		{"no reason", codes.Unauthenticated, []proto.Message{detail(0, 401)}, 503},
		{"other detail", codes.Unauthenticated, []proto.Message{&errdetails.ErrorInfo{Reason: "REVOKED"}}, 503},
	} {
		for flavour, failure := range flavours {
			t.Run(test.name+"/"+flavour, func(t *testing.T) {
				e := sessiond.ErrorFrom(failure(t, test.code, "message", test.details...))
				if got := e.BrowserStatus(); got != test.want {
					t.Errorf("got %d, want %d", got, test.want)
				}
				if e.RetryAfterSeconds() != 1 {
					t.Errorf("retry after %d", e.RetryAfterSeconds())
				}
			})
		}
	}
}

func TestErrorOfSomethingElse(t *testing.T) {
	for _, test := range []struct {
		err  error
		code codes.Code
	}{
		{errors.New("odd"), codes.Unknown},
		{fmt.Errorf("late: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{fmt.Errorf("gone: %w", context.Canceled), codes.Canceled},
	} {
		e := sessiond.ErrorFrom(test.err)
		if e.Code != test.code || e.BrowserStatus() != 503 || e.ReasonName() != "" || !errors.Is(e, test.err) {
			t.Errorf("%v: %+v", test.err, e)
		}
	}
	if sessiond.ErrorFrom(nil) != nil {
		t.Error("nil is no error")
	}
}

func TestUndecodableDetail(t *testing.T) {
	s := status.New(codes.Unauthenticated, "message").Proto()
	s.Details = []*anypb.Any{{TypeUrl: "type.googleapis.com/sessiond.v1.ErrorDetail", Value: []byte{0xff}}}
	if e := sessiond.ErrorFrom(status.FromProto(s).Err()); e.BrowserStatus() != 503 {
		t.Errorf("got %+v", e)
	}
}

func TestIsReason(t *testing.T) {
	revoked := flavours["grpc"](t, codes.Unauthenticated, "", detail(sessiond.ReasonRevoked, 401))
	outage := flavours["grpc"](t, codes.Unavailable, "")
	for _, test := range []struct {
		err     error
		reasons []sessiondv1.ErrorReason
		want    bool
	}{
		{revoked, nil, true},
		{revoked, []sessiondv1.ErrorReason{sessiond.ReasonExpiredIdle, sessiond.ReasonRevoked}, true},
		{revoked, []sessiondv1.ErrorReason{sessiond.ReasonExpiredIdle}, false},
		{outage, nil, false},
		{outage, []sessiondv1.ErrorReason{sessiond.ReasonUnspecified}, false},
		{nil, nil, false},
	} {
		if got := sessiond.IsReason(test.err, test.reasons...); got != test.want {
			t.Errorf("%v, %v: %t", test.err, test.reasons, got)
		}
	}
}

func TestReasonName(t *testing.T) {
	for reason, want := range map[sessiondv1.ErrorReason]string{
		sessiond.ReasonUnspecified: "", sessiond.ReasonIPMismatch: "IP_MISMATCH", 4711: "4711",
	} {
		if got := (&sessiond.Error{Reason: reason}).ReasonName(); got != want {
			t.Errorf("%d: %q", reason, got)
		}
	}
}

// Each constant has the value of the contract; a new reason there needs one here.
func TestReasons(t *testing.T) {
	reasons := []sessiondv1.ErrorReason{
		sessiond.ReasonUnspecified, sessiond.ReasonInvalidCookie, sessiond.ReasonExpiredIdle,
		sessiond.ReasonExpiredAbsolute, sessiond.ReasonRevoked, sessiond.ReasonSigningKeyNotFound,
		sessiond.ReasonSigningKeyRetired, sessiond.ReasonIPMismatch, sessiond.ReasonUserAgentMismatch,
		sessiond.ReasonPreLoginNotAccepted, sessiond.ReasonCSRFMissing, sessiond.ReasonCSRFMismatch,
		sessiond.ReasonSessionNotFound, sessiond.ReasonInvalidRequest, sessiond.ReasonSessionLimitReached,
		sessiond.ReasonCallerUnauthenticated, sessiond.ReasonCallerForbidden, sessiond.ReasonStorageUnavailable,
		sessiond.ReasonOverloaded, sessiond.ReasonInitialSigningKeyMintFailed, sessiond.ReasonRequestTooLarge,
		sessiond.ReasonStepUpRequired, sessiond.ReasonMetadataETagMismatch, sessiond.ReasonCallerKeysUnavailable,
		sessiond.ReasonActorTypeNotAccepted,
	}
	for i, reason := range reasons {
		if int(reason) != i {
			t.Errorf("%s is at %d", reason, i)
		}
	}
	if values := sessiondv1.ErrorReason(0).Descriptor().Values().Len(); values != len(reasons) {
		t.Errorf("the contract has %d reasons, this package %d", values, len(reasons))
	}
}
