// Package sessiondgin adapts the middleware of package sessiond to gin.
package sessiondgin

import (
	"net/http"

	"github.com/gin-gonic/gin"
	sessiond "github.com/sessiond/sessiond/clients/go"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
)

// Required is [sessiond.Sessions.Required] for gin.
func Required(sessions *sessiond.Sessions) gin.HandlerFunc { return adapt(sessions.Required) }

// Optional is [sessiond.Sessions.Optional] for gin.
func Optional(sessions *sessiond.Sessions) gin.HandlerFunc { return adapt(sessions.Optional) }

// FromContext is [sessiond.FromContext] for gin.
func FromContext(c *gin.Context) (*sessiondv1.ValidateResponse, bool) {
	return sessiond.FromContext(c.Request.Context())
}

func adapt(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
