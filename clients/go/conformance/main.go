// Makes calls and serves applications with the Go client, for clients/conformance. It prints where,
// and ends when its standard input closes.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	sessiond "github.com/sessiond/sessiond/clients/go"
)

func main() {
	url := os.Getenv("SESSIOND_URL")
	client, err := sessiond.Connect(url)
	if err != nil {
		log.Fatal(err)
	}
	sessions := sessiond.NewSessions(client)
	acme := sessiond.NewSessions(client, sessiond.WithTenant("acme"))
	routes := routes(sessions, acme)

	addresses := map[string]map[string]string{
		"calls": {
			"go-grpc":    listen(newCaller(url, connectGRPC)),
			"go-connect": listen(newCaller(url, connectConnect)),
		},
		"apps": {
			"net/http": listen(netHTTP(routes)),
			"chi":      listen(withChi(routes)),
			"gin":      listen(withGin(routes)),
		},
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// listen serves until the process ends.
func listen(handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, handler)) }()
	return "http://" + listener.Addr().String()
}
