// Makes gRPC calls with grpc-go and prints what it reports of each. The calls are a JSON array on
// standard input, the results one on standard output: see test/support/grpc-clients.ts.
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"log"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const atOnce = 16

type call struct {
	Target     string            `json:"target"`
	Path       string            `json:"path"`
	Streaming  bool              `json:"streaming"`
	Metadata   map[string]string `json:"metadata"`
	Message    []byte            `json:"message"`
	CA         string            `json:"ca"`
	DeadlineMs int               `json:"deadlineMs"`
	Times      int               `json:"times"`
}

type result struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Status   []byte `json:"status"`
	Response []byte `json:"response"`
}

// rawCodec sends and receives messages as bytes. The server sees the codec of protobuf.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
func (rawCodec) Name() string { return "proto" }

func main() {
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		log.Fatal(err)
	}
	results := []result{}
	for _, c := range calls {
		results = append(results, c.run())
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}

func (c call) run() result {
	conn, err := c.dial()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	response, err := c.repeat(conn)
	s := status.Convert(err)
	bytes, err := proto.MarshalOptions{}.MarshalAppend([]byte{}, s.Proto())
	if err != nil {
		log.Fatal(err)
	}
	return result{codeName(s.Code()), s.Message(), bytes, response}
}

// repeat makes the call as often as it asks for, until one fails. Returns a response, or the first failure.
func (c call) repeat(conn *grpc.ClientConn) ([]byte, error) {
	var left atomic.Int64
	left.Store(int64(c.Times))
	type outcome struct {
		response []byte
		err      error
	}
	outcomes := make(chan outcome, atOnce)
	for range atOnce {
		go func() {
			last := outcome{}
			for left.Add(-1) >= 0 && last.err == nil {
				last.response, last.err = c.once(conn)
			}
			if last.err != nil {
				left.Store(0)
			}
			outcomes <- last
		}()
	}
	response := []byte{}
	var failure error
	for range atOnce {
		last := <-outcomes
		if last.err != nil && failure == nil {
			failure = last.err
		}
		if len(last.response) > 0 {
			response = last.response
		}
	}
	return response, failure
}

func (c call) once(conn *grpc.ClientConn) ([]byte, error) {
	deadline := time.Duration(c.DeadlineMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(c.Metadata))
	if c.Streaming {
		return c.stream(ctx, conn)
	}
	response := []byte{}
	err := conn.Invoke(ctx, c.Path, &c.Message, &response)
	return response, err
}

// dial connects to the target. grpc-go has no resolver for a list of addresses, as other languages do.
func (c call) dial() (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if c.CA != "" {
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM([]byte(c.CA))
		transport = credentials.NewClientTLSFromCert(authorities, "")
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})),
	}
	if list, ok := strings.CutPrefix(c.Target, "ipv4:"); ok {
		addresses := []resolver.Address{}
		for _, address := range strings.Split(list, ",") {
			addresses = append(addresses, resolver.Address{Addr: address})
		}
		ipv4 := manual.NewBuilderWithScheme("ipv4")
		ipv4.InitialState(resolver.State{Addresses: addresses})
		options = append(options, grpc.WithResolvers(ipv4))
	}
	return grpc.NewClient(c.Target, options...)
}

func (c call) stream(ctx context.Context, conn *grpc.ClientConn) ([]byte, error) {
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := conn.NewStream(ctx, desc, c.Path)
	if err != nil {
		return []byte{}, err
	}
	// An error of sending says less than that of receiving.
	_ = stream.SendMsg(&c.Message)
	_ = stream.CloseSend()
	response := []byte{}
	err = stream.RecvMsg(&response)
	return response, err
}

// codeName returns the code as the specification spells it, such as "UNIMPLEMENTED".
func codeName(code codes.Code) string {
	var name strings.Builder
	for i, r := range code.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && code != codes.OK {
			name.WriteByte('_')
		}
		name.WriteRune(r)
	}
	return strings.ToUpper(name.String())
}
