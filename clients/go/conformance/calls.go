package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/connectclient"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// call is what the driver asks for.
type call struct {
	RPC           string          `json:"rpc"`
	Request       json.RawMessage `json:"request"`
	DeadlineMs    int             `json:"deadlineMs"`
	CancelAfterMs int             `json:"cancelAfterMs"`
	connection
}

// connection has what calls must have in common to share a client.
type connection struct {
	URL   string `json:"url"`
	CA    string `json:"ca"`
	Token string `json:"token"`
	Retry *bool  `json:"retry"`
}

func (c connection) options() ([]sessiond.Option, error) {
	var opts []sessiond.Option
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		opts = append(opts, sessiond.WithCA(pem))
	}
	if c.Token != "" {
		opts = append(opts, sessiond.WithToken(c.Token))
	}
	if c.Retry != nil && !*c.Retry {
		opts = append(opts, sessiond.WithoutRetry())
	}
	return opts, nil
}

// connectGRPC and connectConnect return the generated client.

func connectGRPC(url string, opts ...sessiond.Option) (any, error) {
	return sessiond.Connect(url, opts...)
}

func connectConnect(url string, opts ...sessiond.Option) (any, error) {
	return connectclient.Connect(url, opts...)
}

// caller serves the calls of one flavour.
type caller struct {
	url     string
	connect func(url string, opts ...sessiond.Option) (any, error)

	mu      sync.Mutex
	clients map[string]any
}

func newCaller(url string, connect func(string, ...sessiond.Option) (any, error)) *caller {
	return &caller{url: url, connect: connect, clients: map[string]any{}}
}

func (c *caller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := c.answer(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, answer)
}

func (c *caller) answer(r *http.Request) (any, error) {
	var asked call
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	client, err := c.client(asked.connection)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if asked.DeadlineMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(asked.DeadlineMs)*time.Millisecond)
		defer cancel()
	}
	if asked.CancelAfterMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer time.AfterFunc(time.Duration(asked.CancelAfterMs)*time.Millisecond, cancel).Stop()
	}
	response, err := invoke(ctx, client, asked.RPC, asked.Request)
	if failure, ok := errors.AsType[*sessiond.Error](err); ok {
		described, err := describe(failure)
		return map[string]any{"error": described}, err
	}
	if err != nil {
		return nil, err
	}
	ok, err := protojson.Marshal(response)
	return map[string]any{"ok": json.RawMessage(ok)}, err
}

func (c *caller) client(of connection) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.URL == "" {
		of.URL = c.url
	}
	key, err := json.Marshal(of)
	if err != nil {
		return nil, err
	}
	if client, ok := c.clients[string(key)]; ok {
		return client, nil
	}
	opts, err := of.options()
	if err != nil {
		return nil, err
	}
	client, err := c.connect(of.URL, opts...)
	if err != nil {
		return nil, err
	}
	c.clients[string(key)] = client
	return client, nil
}

// invoke calls the method of a generated client that has the RPC's name.
func invoke(ctx context.Context, client any, rpc string, request []byte) (proto.Message, error) {
	method := reflect.ValueOf(client).MethodByName(rpc)
	if !method.IsValid() {
		return nil, fmt.Errorf("there is no RPC %q", rpc)
	}
	argument := reflect.New(method.Type().In(1).Elem())
	message, ofGRPC := argument.Interface().(proto.Message)
	if !ofGRPC {
		field := argument.Elem().FieldByName("Msg")
		field.Set(reflect.New(field.Type().Elem()))
		message = field.Interface().(proto.Message)
	}
	if err := protojson.Unmarshal(request, message); err != nil {
		return nil, err
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), argument})
	if err, failed := results[1].Interface().(error); failed {
		return nil, err
	}
	if response, ok := results[0].Interface().(connect.AnyResponse); ok {
		return response.Any().(proto.Message), nil
	}
	return results[0].Interface().(proto.Message), nil
}

func describe(e *sessiond.Error) (map[string]any, error) {
	type violation struct {
		Field       string `json:"field"`
		Description string `json:"description"`
	}
	violations := []violation{}
	for _, v := range e.Violations {
		violations = append(violations, violation(v))
	}
	described := map[string]any{
		"code":          code.Code(e.Code).String(),
		"reason":        e.ReasonName(),
		"httpStatus":    e.HTTPStatus,
		"violations":    violations,
		"retryDelayMs":  e.RetryDelay.Milliseconds(),
		"browserStatus": e.BrowserStatus(),
	}
	if e.SessionLimit != nil {
		limit, err := protojson.Marshal(e.SessionLimit)
		if err != nil {
			return nil, err
		}
		described["sessionLimit"] = json.RawMessage(limit)
	}
	return described, nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
