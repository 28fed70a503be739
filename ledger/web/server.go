package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Time limits of a request's steps, and of what is under way when a server stops.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 10 * time.Second
	maxHeaderBytes    = 64 << 10
)

// Server is an HTTP server that listens already.
type Server struct {
	listener net.Listener
	http     *http.Server
	secure   bool // by TLS; http.TLSConfig is set by serving, too
}

// Options are what a server may have beyond an address.
type Options struct {
	// Logger gets the server's complaints about connections; nil means nobody does.
	Logger *slog.Logger
	// TLS makes it serve https; see LoadTLS.
	TLS *tls.Config
	// MaxConnections bounds them; 0 bounds none. Past it the one that is unused for longest is closed.
	MaxConnections int
}

// Listen binds an address, host:port, where port 0 is any free one. Serving begins with Run. The logger, which may be nil,
// gets the server's complaints about connections.
func Listen(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) (*Server, error) {
	return ListenWith(ctx, address, handler, Options{Logger: logger})
}

// ListenWith is Listen with options.
func ListenWith(ctx context.Context, address string, handler http.Handler, options Options) (*Server, error) {
	logger := options.Logger
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for HTTP on %s: %w", address, err)
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		TLSConfig: options.TLS,
	}
	if options.MaxConnections > 0 {
		newConnections(options.MaxConnections).watch(server)
	}
	return &Server{listener, server, options.TLS != nil}, nil
}

// Address is where the server listens, host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// URL is where to reach the server from this machine.
func (s *Server) URL() string {
	scheme := "http://"
	if s.secure {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(s.Address())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return scheme + net.JoinHostPort("localhost", port)
	}
	return scheme + s.Address()
}

// Run serves until the context ends, and then until what is under way is answered, ten seconds at most.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	end := context.AfterFunc(ctx, func() { stopped <- s.stop(context.WithoutCancel(ctx)) })
	err := s.serve()
	if !errors.Is(err, http.ErrServerClosed) {
		if end() {
			return fmt.Errorf("serve HTTP on %s: %w", s.Address(), err)
		}
	}
	return <-stopped
}

func (s *Server) serve() error {
	if s.secure {
		return s.http.ServeTLS(s.listener, "", "") //nolint:wrapcheck // Run says where
	}
	return s.http.Serve(s.listener) //nolint:wrapcheck // Run says where
}

func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop serving HTTP on %s: %w", s.Address(), err), s.http.Close())
	}
	return nil
}
